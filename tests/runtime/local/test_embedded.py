"""Engine on sprig: SGLang's offline face, and the same seeded tokens whatever else runs."""

import asyncio
import gc
import queue
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from paused_engine import paused_engine

from palmette.grammar.errors import GrammarError
from palmette.grammar.spec import Regex
from palmette.lang.errors import InvalidArgument
from palmette.runtime.errors import (
    EmptyPrompt,
    EngineClosed,
    InvalidOption,
    InvalidRequest,
    ModelNotFound,
    RequestTooLong,
)
from palmette.runtime.local.embedded import Engine

PROMPTS = [f"Q: What is the capital of {name}?\nA:" for name in ("France", "Peru", "Kenya", "Japan")]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(random_seed=1) as made:
        yield made
        made.check_integrity()


def ids(outputs: Any) -> list[list[int]]:
    return [output["output_ids"] for output in (outputs if isinstance(outputs, list) else [outputs])]


def test_a_result_has_sglangs_shape(engine: Engine) -> None:
    params = {"max_new_tokens": 4, "temperature": 0, "ignore_eos": True}
    output: Any = engine.generate("The capital of France is", params)
    assert set(output) == {"text", "output_ids", "meta_info"}
    assert len(output["output_ids"]) == 4
    assert engine.tokenizer.decode(output["output_ids"]) == output["text"]
    info = output["meta_info"]
    assert info["finish_reason"]["type"] == "length"
    assert info["finish_reason"]["length"] == 4
    assert info["completion_tokens"] == 4
    assert info["prompt_tokens"] == len(engine.tokenizer.encode("The capital of France is", has_special=True))
    assert {"id", "cached_tokens", "seed"} <= set(info)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_seeded_tokens_do_not_depend_on_what_else_runs(engine: Engine, temperature: float) -> None:
    """Alone, in a batch of 16, in chunks, on a warm cache, without a cache, preempted: the same tokens."""
    params = {"max_new_tokens": 24, "temperature": temperature, "seed": 11, "ignore_eos": True}
    alone = [ids(engine.generate(prompt, params))[0] for prompt in PROMPTS]
    assert [ids(engine.generate(prompt, params))[0] for prompt in PROMPTS] == alone, "warm cache"
    crowd: Any = engine.generate(PROMPTS * 4, params)
    assert ids(crowd) == alone * 4, "batch of 16"
    with Engine(chunked_prefill_size=5, page_size=3) as chunked:
        assert ids(chunked.generate(PROMPTS, params)) == alone, "chunks of 5 tokens, pages of 3"
    with Engine(disable_radix_cache=True, page_size=1) as bare:
        assert ids(bare.generate(PROMPTS, params)) == alone, "no cache"
    with Engine(max_total_tokens=96, page_size=4) as starved:
        assert ids(starved.generate(PROMPTS, params)) == alone, "short memory"
        assert starved.stats()["num_preemptions"] > 0
        starved.check_integrity()


def test_what_is_not_seeded_differs_and_reports_its_seed(engine: Engine) -> None:
    params = {"max_new_tokens": 16, "ignore_eos": True}
    first: Any = engine.generate(PROMPTS[0], params)
    second: Any = engine.generate(PROMPTS[0], params)
    assert first["output_ids"] != second["output_ids"]
    again: Any = engine.generate(PROMPTS[0], {**params, "seed": first["meta_info"]["seed"]})
    assert again["output_ids"] == first["output_ids"]


def test_names_of_sglang_at_their_defaults_are_taken(engine: Engine) -> None:
    params = {"max_new_tokens": 1, "spaces_between_special_tokens": True, "no_stop_trim": False}
    assert engine.generate(PROMPTS[0], params)


def test_one_or_a_list_of_each(engine: Engine) -> None:
    params = {"max_new_tokens": 3, "temperature": 0, "ignore_eos": True}
    many: Any = engine.generate(PROMPTS[:2], [params, {**params, "max_new_tokens": 5}])
    assert [len(each["output_ids"]) for each in many] == [3, 5]
    samples: Any = engine.generate(PROMPTS[0], {**params, "temperature": 1.0, "n": 3})
    assert len(samples) == 3
    token_ids = engine.tokenizer.encode(PROMPTS[0], has_special=True)
    by_ids: Any = engine.generate(input_ids=token_ids, sampling_params=params)
    assert ids(by_ids) == ids(engine.generate(PROMPTS[0], params))
    both: Any = engine.generate(input_ids=[token_ids, token_ids[:4]], sampling_params=params)
    assert len(both) == 2


def test_a_stream_grows_to_the_whole() -> None:
    params = {"max_new_tokens": 12, "temperature": 0, "ignore_eos": True}
    with paused_engine(4) as (engine, pause):
        stream: Any = engine.generate(PROMPTS[0], params, stream=True)  # type: ignore[arg-type] # an iterator here
        chunks = [next(stream)]
        pause.end()
        chunks += stream
        whole: Any = engine.generate(PROMPTS[0], params)
    assert chunks[0]["text"]
    assert len(chunks) > 1
    assert all(after["text"].startswith(before["text"]) for before, after in pairwise(chunks))
    assert chunks[-1]["text"] == whole["text"]
    assert chunks[-1]["output_ids"] == whole["output_ids"]


LONG = {"max_new_tokens": 1000, "ignore_eos": True}


def check_nothing_runs_on(engine: Engine) -> None:
    assert not engine._thread.ask(lambda core: core.has_work).result(), "abandoned requests go on"


def test_leaving_a_stream_stops_its_work(engine: Engine) -> None:
    stream: Any = engine.generate(PROMPTS[0], {"max_new_tokens": 1000, "ignore_eos": True}, stream=True)
    next(stream)
    stream.close()
    check_nothing_runs_on(engine)


def test_an_interrupt_ends_all_requests(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(queue.SimpleQueue[Any]):
        def get(self, *_: object) -> Any:
            super().get()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("palmette.runtime.local.embedded.queue.SimpleQueue", Interrupted)
        for prompt in (PROMPTS[0], PROMPTS):
            with pytest.raises(KeyboardInterrupt):
                engine.generate(prompt, LONG)
    check_nothing_runs_on(engine)


def test_the_failure_of_one_of_a_list_names_it_and_ends_the_others(engine: Engine) -> None:
    prompts = [*PROMPTS[:2], "word " * 5000, PROMPTS[2]]
    with pytest.raises(RequestTooLong) as caught:
        engine.generate(prompts, LONG)
    assert caught.value.__notes__ == ["in prompt 2 of the list"]
    check_nothing_runs_on(engine)

    async def main() -> None:
        with pytest.raises(RequestTooLong) as caught:
            await engine.async_generate(prompts, LONG)
        assert caught.value.__notes__ == ["in prompt 2 of the list"]
        assert len(asyncio.all_tasks()) == 1, "its siblings have ended"
        before = engine.stats()["num_steps"]
        task = asyncio.create_task(engine.async_generate(PROMPTS, LONG))
        while engine.stats()["num_steps"] < before + 5:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    check_nothing_runs_on(engine)
    for params in ([{}, {"top_p": 5}], [{}, {"regex": "("}]):
        with pytest.raises((InvalidArgument, GrammarError)) as refused:
            engine.generate(["a", "b"], params)
        assert refused.value.__notes__ == ["in prompt 1 of the list"]
    with pytest.raises(InvalidArgument) as alone:
        engine.generate("a", {"top_p": 5})
    assert not hasattr(alone.value, "__notes__")


def test_an_engine_that_is_dropped_ends_its_thread() -> None:
    others = set(threading.enumerate())
    engine = Engine()
    engine.generate(PROMPTS[0], {"max_new_tokens": 1})
    [thread] = [each for each in threading.enumerate() if each not in others and each.name == "palmette-engine"]
    assert thread.is_alive()
    del engine
    gc.collect()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_token_ids_from_an_array(engine: Engine) -> None:
    params = {"max_new_tokens": 3, "temperature": 0, "ignore_eos": True}
    token_ids = engine.tokenizer.encode(PROMPTS[0], has_special=True)
    expected = ids(engine.generate(input_ids=token_ids, sampling_params=params))
    for given in (torch.tensor(token_ids), numpy.array(token_ids), list(numpy.array(token_ids)), tuple(token_ids)):
        assert ids(engine.generate(input_ids=given, sampling_params=params)) == expected
    for rows in (torch.tensor([token_ids] * 2), [numpy.array(token_ids)] * 2):
        assert ids(engine.generate(input_ids=rows, sampling_params=params)) == expected * 2


def test_flush_cache_is_sglangs_and_has_an_asynchronous_form(engine: Engine) -> None:
    for flush in (engine.flush_cache, lambda: asyncio.run(engine.aflush_cache())):
        engine.generate(PROMPTS[0], {"max_new_tokens": 1})
        assert engine.stats()["num_cached_tokens"] > 0
        flush()
        assert engine.stats()["num_cached_tokens"] == 0


def test_async_generate(engine: Engine) -> None:
    params = {"max_new_tokens": 6, "temperature": 0, "ignore_eos": True}

    async def main() -> tuple[Any, Any, list[Any]]:
        one, many = await asyncio.gather(
            engine.async_generate(PROMPTS[0], params), engine.async_generate(PROMPTS[:2], params)
        )
        stream: Any = await engine.async_generate(PROMPTS[0], params, stream=True)
        return one, many, [chunk async for chunk in stream]

    one, many, chunks = asyncio.run(main())
    assert one["output_ids"] == many[0]["output_ids"] == chunks[-1]["output_ids"]


def test_logprobs_of_output_and_input(engine: Engine) -> None:
    params = {"max_new_tokens": 3, "temperature": 0, "ignore_eos": True}
    output: Any = engine.generate(PROMPTS[0], params, return_logprob=True, logprob_start_len=0, top_logprobs_num=2)
    info = output["meta_info"]
    assert [entry[1] for entry in info["output_token_logprobs"]] == output["output_ids"]
    assert info["input_token_logprobs"][0][0] is None
    assert len(info["input_token_logprobs"]) == info["prompt_tokens"]
    for (logprob, token_id, _), top in zip(info["output_token_logprobs"], info["output_top_logprobs"], strict=True):
        assert top[0][1] == token_id, "greedy: the chosen token is the likeliest"
        assert top[0][0] == pytest.approx(logprob)


def test_constraints_hold(engine: Engine) -> None:
    params = {"max_new_tokens": 12, "temperature": 1.0}
    for seed in range(4):
        number: Any = engine.generate(PROMPTS[0], {**params, "seed": seed, "regex": "[0-9]{2}"})
        assert number["text"].isdigit()
        assert len(number["text"]) == 2
        choice: Any = engine.generate(PROMPTS[0], {**params, "seed": seed, "choices": ["Paris", "Par"]})
        assert choice["text"] in ("Paris", "Par")
        ebnf: Any = engine.generate(PROMPTS[0], {**params, "seed": seed, "ebnf": 'root ::= "a" | "b" root'})
        assert set(ebnf["text"]) <= {"a", "b"}
        lark: Any = engine.generate(PROMPTS[0], {**params, "seed": seed, "lark": 'start: "yes" | "no"'})
        assert lark["text"] in ("yes", "no")
        spec: Any = engine.generate(PROMPTS[0], {**params, "seed": seed, "constraint": Regex("[a-c]{3}")})
        assert len(spec["text"]) == 3
        assert set(spec["text"]) <= set("abc")


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"prompt": ""}, EmptyPrompt, "empty string"),
        ({"prompt": []}, EmptyPrompt, "empty list"),
        ({}, InvalidRequest, "neither"),
        ({"prompt": "a", "input_ids": [1]}, InvalidRequest, "both"),
        ({"prompt": "word " * 5000}, RequestTooLong, "context"),
        ({"prompt": "word " * 500_000}, RequestTooLong, "at the least, is 125000 tokens"),  # it is not even read
        ({"prompt": "a", "sampling_params": {"max_new_tokens": 0}}, InvalidArgument, "max_tokens"),
        ({"prompt": "a", "sampling_params": {"max_new_tokens": -3}}, InvalidArgument, "max_tokens"),
        ({"prompt": "a", "sampling_params": {"temperature": -1}}, InvalidArgument, "temperature"),
        ({"prompt": "a", "sampling_params": {"logit_bias": {1: float("nan")}}}, InvalidArgument, "logit_bias"),
        ({"prompt": "a", "sampling_params": {"regex": "("}}, GrammarError, "regex"),
        ({"prompt": "a", "sampling_params": {"json_schema": {"enum": []}}}, GrammarError, "enum"),
        ({"prompt": "a", "sampling_params": {"regex": "a", "choices": ["a"]}}, InvalidArgument, "at most one"),
        ({"prompt": "a", "sampling_params": {"lark": "a", "constraint": Regex("a")}}, InvalidArgument, "at most one"),
        ({"prompt": "a", "sampling_params": {"lark": 3}}, InvalidRequest, "lark: expected a string"),
        ({"prompt": "a", "sampling_params": {"constraint": "[a-c]"}}, InvalidArgument, "one of palmette.grammar.spec"),
        ({"prompt": "a", "sampling_params": {"temprature": 1}}, InvalidRequest, "temperature"),
        ({"prompt": ["a", "b"], "sampling_params": [{}]}, InvalidRequest, "each of the 2"),
        ({"input_ids": [99999999]}, InvalidRequest, "token ids"),
        ({"input_ids": [1.0]}, InvalidRequest, "integers"),
        ({"input_ids": [True]}, InvalidRequest, "integers"),
        ({"input_ids": [[1], 2]}, InvalidRequest, "integers, got 2 as item 1"),
        ({"input_ids": numpy.array([1.5])}, InvalidRequest, "integers"),
        ({"input_ids": "1 2"}, InvalidRequest, "list of token ids"),
        ({"input_ids": 5}, InvalidRequest, "list of token ids"),
        ({"prompt": 3}, InvalidRequest, "a string or a list of strings, got 3"),
        ({"prompt": b"abc"}, InvalidRequest, "a string or a list of strings, got b'abc'"),
        ({"prompt": "a", "sampling_params": {"qqq": 1}}, InvalidRequest, "choices.*ebnf.*json_schema.*regex"),
        ({"prompt": "a", "sampling_params": {"no_stop_trim": True}}, InvalidRequest, "ends before the stop"),
        ({"prompt": "a", "sampling_params": {"spaces_between_special_tokens": 0}}, InvalidRequest, "to be True"),
        ({"prompt": "a", "sampling_params": {"stop_regex": "("}}, InvalidArgument, "stop_regex"),
        ({"prompt": "a", "sampling_params": {"logit_bias": {1: 1e39}}}, InvalidArgument, "logit_bias"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_disturbed(
    engine: Engine, arguments: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        engine.generate(**arguments)
    assert ids(engine.generate("a", {"max_new_tokens": 1, "ignore_eos": True}))
    engine.check_integrity()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"page_sise": 4}, "unknown option 'page_sise'; did you mean 'page_size'\\? the options are model_path, "),
        ({"tp_size": 2}, "unknown option 'tp_size'; the options are"),
        (
            {"compile_timeout": 2},
            "unknown option 'compile_timeout'; did you mean 'compile_timeout_s'\\?.*grammar_cache_mb",
        ),
        ({"model_path": 3}, "model_path"),
        ({"random_seed": "a"}, "random_seed"),
        ({"random_seed": 1.5}, "random_seed"),
        ({"random_seed": True}, "random_seed"),
        ({"dtype": 3}, "dtype"),
        ({"disable_radix_cache": "no"}, "disable_radix_cache"),
        ({"max_total_tokens": 15}, "max_total_tokens: expected at least one page of page_size=16 tokens, got 15"),
        ({"page_size": 0}, "page_size"),
        ({"dtype": "int3"}, "dtype"),
        ({"device": "tpu9"}, "device"),
        ({"schedule_policy": "best"}, "schedule_policy"),
        ({"context_length": 10**9}, "context_length"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidOption, match=match):
        Engine(**options)


def test_an_unknown_model_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        Engine(tmp_path / "nothing")


def test_after_shutdown_nothing_is_accepted_and_nothing_hangs() -> None:
    engine = Engine()
    engine.shutdown()
    engine.shutdown()
    with pytest.raises(EngineClosed):
        engine.generate("a")
