"""The option `attention_backend`: the same answers by any that can, and a refusal at the start of who cannot."""

import pytest
import torch

from palmette.runtime.errors import InvalidOption
from palmette.runtime.local.embedded import Engine

PROMPTS = ["The capital of France is", "1, 2, 3,"]
OPTIONS = {"max_total_tokens": 512, "num_compile_workers": 0, "device": "cpu"}


@pytest.mark.parametrize("name", ["torch", "sdpa"])
def test_no_answer_depends_on_it(name: str) -> None:
    texts = []
    for backend in ("auto", name):
        with Engine(attention_backend=backend, **OPTIONS) as engine:
            outputs = engine.generate(PROMPTS, {"max_new_tokens": 12, "temperature": 0})
            assert engine.stats()["num_attention_plans_elsewhere"] == 0
        assert isinstance(outputs, list)
        texts.append([output["text"] for output in outputs])
    assert texts[0] == texts[1]


def test_who_cannot_attend_is_refused_at_the_start() -> None:
    with pytest.raises(InvalidOption) as refused:
        Engine(attention_backend="flash-attn", **OPTIONS)
    message = str(refused.value)
    assert message.startswith("attention_backend: expected a backend of attention that can serve this model")
    assert "got 'flash-attn', which cannot: runs on CUDA devices, and this one is cpu" in message
    assert "take 'auto', or one of those that can:" in message


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(
        InvalidOption, match=r"attention_backend: expected one of \('auto', .*'flashinfer'.*, got 'fast'"
    ):
        Engine(attention_backend="fast", **OPTIONS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["sdpa", "flash-attn", "flashinfer"])
def test_others_on_a_device(name: str) -> None:
    try:
        engine = Engine(attention_backend=name, dtype="bfloat16", max_total_tokens=512, num_compile_workers=0)
    except InvalidOption as error:
        pytest.skip(str(error))
    with engine:
        assert engine.generate(PROMPTS[0], {"max_new_tokens": 4, "temperature": 0})["text"]  # type: ignore[index,call-overload] # one prompt, one output
