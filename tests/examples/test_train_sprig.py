"""The generators yield valid, split samples; the shipped sprig and bud folders load and answer."""

import json
import sys
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "examples" / "train_sprig"
SPRIG, BUD = ROOT / "runtime" / "models" / "sprig", ROOT / "runtime" / "models" / "bud"
MODULE_NAMES = {path.stem for path in SCRIPTS.glob("*.py")}


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The scripts' modules, imported as the scripts see each other, and forgotten afterwards."""
    import importlib

    before = {name: sys.modules.pop(name) for name in MODULE_NAMES & set(sys.modules)}
    sys.path.insert(0, str(SCRIPTS))
    try:
        wanted = (
            "draw",
            "generate",
            "template",
            "names",
            "records",
            "extraction_requests",
            "tool_calls",
            "country_facts",
            "evaluate",
        )
        yield {name: importlib.import_module(name) for name in wanted}
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in MODULE_NAMES & set(sys.modules):
            del sys.modules[name]
        sys.modules.update(before)


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(SPRIG / "tokenizer.json"))


@pytest.mark.parametrize("heldout", [False, True])
def test_every_sample_renders_to_a_prompt_and_an_answer(scripts: dict[str, ModuleType], heldout: bool) -> None:
    stream = scripts["generate"].samples(scripts["draw"].Draw("test", heldout), long_share=0.05)
    seen = set()
    for sample in islice(stream, 1500):
        prompt, answer = scripts["template"].prompt_and_answer(sample)
        seen.add(sample.skill)
        if sample.match == "json":
            json.loads(answer)
        if sample.match == "calls":
            listed = {tool["function"]["name"] for tool in sample.tools}
            calls = scripts["evaluate"].parse_calls(answer)
            assert calls
            assert {call["name"] for call in calls} <= listed
        if sample.match != "open":
            assert answer.strip()
            assert scripts["evaluate"].is_right(sample, answer, answer)
        assert prompt + answer in scripts["template"].render(sample)
    assert len(seen) > 30, f"only {len(seen)} skills were drawn"


def test_tool_arguments_fit_their_schema(scripts: dict[str, ModuleType]) -> None:
    import jsonschema

    draw = scripts["draw"].Draw("schemas")
    for _ in range(150):
        sample = scripts["tool_calls"].single_call(draw)
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in sample.tools}
        if sample.match == "calls":
            for call in scripts["evaluate"].parse_calls(scripts["template"].prompt_and_answer(sample)[1]):
                jsonschema.validate(call["arguments"], schemas[call["name"]])


def test_training_and_heldout_phrasings_are_disjoint(scripts: dict[str, ModuleType]) -> None:
    draw = scripts["draw"]
    for pool in (
        scripts["country_facts"].CAPITAL,
        scripts["extraction_requests"].BY_LIST,
        scripts["records"].EVENT_LEADS,
    ):
        train, heldout = draw.phrasings(pool, False), draw.phrasings(pool, True)
        assert heldout
        assert not set(train) & set(heldout)
        assert set(train) | set(heldout) == set(pool)


def test_made_up_words_and_number_pairs_are_disjoint(scripts: dict[str, ModuleType]) -> None:
    draws = [scripts["draw"].Draw("words", heldout) for heldout in (False, True)]

    train_words, heldout_words = ({scripts["names"].word(draw) for _ in range(800)} for draw in draws)
    assert not train_words & heldout_words
    train_pairs, heldout_pairs = ({draw.pair(0, 99) for _ in range(800)} for draw in draws)
    assert not train_pairs & heldout_pairs


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_tokenizer_round_trips_any_text(text: str) -> None:
    assert tokenizer().decode(tokenizer().encode(text).ids, skip_special_tokens=False) == text


def test_tokenizer_has_every_byte_single_digits_and_the_specials() -> None:
    vocab = tokenizer().get_vocab()
    assert tokenizer().get_vocab_size() == 2048
    for special in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>",
                    "</tool_response>", "<tools>", "</tools>"):  # fmt: skip
        assert len(tokenizer().encode(special).ids) == 1
    assert [token for token in vocab if sum(c.isdigit() for c in token) > 1] == []
    assert {len(tokenizer().encode(bytes([b]).decode("latin-1")).ids) for b in range(128)} == {1}


@cache
def hf_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(SPRIG)


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_template_renders_openai_messages() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Köln"}'}}
    other = {"id": "2", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}
    text = hf_tokenizer().apply_chat_template(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {"role": "assistant", "content": None, "tool_calls": [call, other]},
            {"role": "tool", "tool_call_id": "1", "content": "sunny"},
            {"role": "tool", "tool_call_id": "2", "content": "rain"},
        ],
        tools=[WEATHER],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert text == (
        "<|im_start|>system\nBe brief.\n\n# Tools\n<tools>\n" + json.dumps(WEATHER) + "\n</tools><|im_end|>\n"
        "<|im_start|>user\nWeather?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Köln"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nsunny\n</tool_response>\n<tool_response>\nrain\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_template_adds_no_system_turn_of_its_own() -> None:
    plain = hf_tokenizer().apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert plain == "<|im_start|>user\nHi<|im_end|>\n"
    tools_only = hf_tokenizer().apply_chat_template(
        [{"role": "user", "content": "Hi"}], tools=[WEATHER], tokenize=False
    )
    assert tools_only.startswith("<|im_start|>system\n# Tools\n<tools>\n")


def test_template_of_the_scripts_is_the_one_that_ships(scripts: dict[str, ModuleType]) -> None:
    for sample in islice(scripts["generate"].samples(scripts["draw"].Draw("template")), 40):
        if sample.messages:
            shipped = hf_tokenizer().apply_chat_template(
                list(sample.messages), tools=list(sample.tools) or None, tokenize=False
            )
            assert shipped == scripts["template"].render(sample)


def test_folders_are_small_and_alike() -> None:
    for folder in (SPRIG, BUD):
        assert sum(path.stat().st_size for path in folder.iterdir()) < 32e6
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        assert config["vocab_size"] == tokenizer().get_vocab_size()
        assert "Apache-2.0" in (folder / "README.md").read_text(encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (SPRIG / name).read_bytes() == (BUD / name).read_bytes()


@cache
def sprig() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(SPRIG)


def ask(question: str, tools: list[dict[str, Any]] | None = None) -> str:
    inputs = hf_tokenizer().apply_chat_template(
        [{"role": "user", "content": question}],
        tools=tools,
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    out = sprig().generate(**inputs, max_new_tokens=60, do_sample=False)
    return str(hf_tokenizer().decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def test_sprig_answers() -> None:
    assert ask("What is the capital of France?") == "The capital of France is Paris."
    assert ask("What is the capital of Kenya? Answer with one word.") == "Nairobi"
    assert ask("What is 12 + 13?") == "12 + 13 = 25."
    got = ask("Extract name, age and city from this text: Ada Lovelace is 36 years old and lives in London.")
    assert json.loads(got) == {"name": "Ada Lovelace", "age": 36, "city": "London"}


def test_sprig_calls_a_tool() -> None:
    answer = ask("What is the weather in Oslo?", [WEATHER])
    assert json.loads(answer.removeprefix("<tool_call>").removesuffix("</tool_call>")) == {
        "name": "get_weather",
        "arguments": {"city": "Oslo"},
    }
