"""Every example runs, and says what it promises."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import palmette

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

# For each example, words that its output must hold: they come from palmette, not from what sprig happens to write.
PROMISES = {
    "batch": ["tokens cached)"],
    "calculator_agent": ["question: What is 23 times 7?", "answer: "],
    "chat": ["you:", "sprig:"],
    "constraints": ["sum: '", "colour: '", "point: '[", "tokens were forced", "refused: program 'refused'", "currency"],
    "debate": ["the fan:", "the critic:", " wins, with probability "],
    "errors": [
        "RequestTooLong",
        "VariableNotSet",
        "InvalidRegex",
        "two_constraints: InvalidArgument",
        "negative_tokens: InvalidArgument",
        "no_fork: InvalidArgument",
    ],
    "fork_join": ["France: ", "Japan: ", "The sky is"],
    "from_sglang": ["<|im_start|>user", "Q: What is the capital of Spain?"],
    "json_extraction": ["'name':", "'age':"],
    "lark": [
        "What is 12 plus 30?",
        " = ",
        'InvalidGrammar: Lark grammar at line 1, column 8: unknown name: "number"',
        "UnsupportedGrammar: Lark grammar at line 1, column 12",
    ],
    "logprobs": ["with probability", "log-probability"],
    "offline_engine": ["The capital of Italy is", "'num_steps':"],
    "own_model": ["The capital of France is"],
    "patterns": ["best of 5:", " of 9: (", "map-reduce: ", "wrong ones", "words: ", "route: "],
    "quickstart": ["sentiment:", "capital:"],
    "refused_schema": [
        "UnsupportedSchema: JSON schema at #/properties/name",
        "refused  #/properties/email nullable: ",
        "refused  #/properties/roles uniqueItem: ",
        "guarded  #/properties/roles uniqueItems",
        'account: {"name": "',
    ],
    "second_run": ["without guesses          1.", "with guesses, again      0.", "the same answers", " tokens each"],
    "seeds": ["seed 7", "three samples"],
    "select_methods": ["token_length_normalized", "unconditional_likelihood_normalized"],
    "sqlite_agent": ["question: How many rows are in the table products?", "answer: "],
    "streaming": ["\n"],
    "tool_agent": ["question:", "called ", "answer:", "resumed: ", "as an instance: Offer("],
    "tool_formats": [
        "hermes:\n    <tool_call>\n",
        'llama3:\n    {"name": "get_weather", "parameters": {',
        'mistral:\n    [TOOL_CALLS] [{"name": "get_weather", "arguments": {',
        "pythonic:\n    [get_weather(",
        "a tool that takes text: (ParsedCall(name='look_up', arguments={'input': ",
        "CallStarted(index=0, name='get_weather')",
        "1 whole call",
    ],
    "trace": ["one file", "person: ", "run again from the lines: the same tokens"],
    "typed_async": [
        "person: Person(name='Ann', age=30)",
        "so far: Person(name='Bob', age=None)",
        "its task was cancelled",
    ],
    "tour": ["1. chat", "2. select", "3. fork", "4. JSON Schema", "5. agent", "steps computed"],
}


@pytest.fixture(scope="module")
def engine() -> Iterator[palmette.Engine]:
    with palmette.Engine() as made:
        yield made
        made.check_integrity()


@pytest.fixture(autouse=True)
def _default_backend(engine: palmette.Engine) -> Iterator[None]:
    palmette.set_default_backend(engine)
    yield
    palmette.set_default_backend(None)


@pytest.mark.parametrize("name", sorted(PROMISES))
def test_example(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [f"{name}.py"])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    output = capsys.readouterr().out
    for promise in PROMISES[name]:
        assert promise in output


def test_every_example_is_run_here_and_listed_in_the_readme() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(PROMISES)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.py)" in readme for name in names)


def test_the_json_of_the_extraction_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "json_extraction.py"), run_name="__main__")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("    {")]
    assert len(lines) == 3
    for line in lines:
        assert json.loads(line.replace("'", '"')).keys() == {"name", "age", "city"}
