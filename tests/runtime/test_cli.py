"""The command line, as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from palmette.lang.plan import Plan
from palmette.lang.traces.record import Record
from palmette.runtime.cli import main
from palmette.runtime.errors import InvalidOption

PROGRAM = """
import palmette as pm


@pm.function
def ask(s, question, times: int = 2):
    s += pm.user(question)
    s += pm.assistant(pm.gen("answer", max_tokens=8, temperature=0.9))
    with s.fork(times) as branches:
        branches += pm.user("Why?") + pm.assistant(pm.gen("why", max_tokens=4))
    return s["why"]


@pm.function
def fails(s):
    s += pm.gen("before any text")


@pm.function
def chooses(s):
    s += "Heads or tails?" + pm.select("coin", [" heads", " tails"], temperature=2.0)


@pm.function
def fails_late(s):
    s += "Once" + pm.gen("first", max_tokens=3)
    raise ValueError("not\\nthis " + str(len(s["first"]) > 0))
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "programs.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def test_a_plan_is_explained(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", f"{file}:ask", "--arg", "times=3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ask(question)")
    assert "fork into 3" in out
    assert "at most 20 new ones" in out


def test_with_the_engine_it_says_what_enforces_constraints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "constrained.py"
    path.write_text(
        "import palmette as pm\n\n\n@pm.function\ndef ask(s):\n"
        "    s += 'a' + pm.gen('word', regex='[a-z]+') + pm.gen('again', regex='[a-z]+')\n"
        "    s += pm.gen('set', json_schema={'type': 'array', 'uniqueItems': True})\n"
        "    s += pm.gen('typo', json_schema={'typ': 'array'})\n",
        encoding="utf-8",
    )
    assert main(["plan", f"{path}:ask"]) == 0
    assert "enforced by" not in capsys.readouterr().out
    assert main(["plan", f"{path}:ask", "--engine"]) == 0
    _, words = capsys.readouterr().out.split("constraints are enforced by\n")
    shared, guarded, refused = words.splitlines()
    assert shared.startswith("  word, again: llguidance, ")
    assert guarded.startswith("  set: llguidance, ")
    assert "guards" in guarded
    assert refused.startswith("  typo: refused: JSON schema at # (the root)")


def test_a_plan_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", f"{file}:ask", "--json"]) == 0
    plan = Plan.from_json(capsys.readouterr().out)
    assert (plan.name, plan.parameters, len(plan.branches)) == ("ask", ("question",), 3)


def test_run_trace_and_replay(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, lines = tmp_path / "t.html", tmp_path / "t.jsonl"
    arguments = ["run", f"{file}:ask", "--arg", "question=What is 2 + 2?", "--seed", "3"]
    assert main([*arguments, "--trace", str(page), "--jsonl", str(lines)]) == 0
    out = capsys.readouterr().out
    assert "What is 2 + 2?" in out
    assert "returned: [" in out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Record.load(lines).seed == 3

    assert main(["replay", str(lines)]) == 0
    assert capsys.readouterr().out.startswith("the same: 3 branches")

    head, *rest = lines.read_text(encoding="utf-8").splitlines()
    header = json.loads(head)
    header["seed"] = 4
    lines.write_text("\n".join([json.dumps(header), *rest]) + "\n", encoding="utf-8")
    assert main(["replay", str(lines)]) == 1
    assert "programs.py" in (out := capsys.readouterr().out)
    assert "expected" in out


@pytest.mark.parametrize("quantization", ["int8", "fp8"])
def test_weights_are_rounded_where_asked_to(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quantization: str
) -> None:
    def refuse(model_path: str | None, **options: object) -> None:
        raise InvalidOption(f"made with {model_path}, {options}")

    monkeypatch.setattr("palmette.runtime.local.embedded.Engine", refuse)
    for command in (["run", f"{file}:ask", "--arg", "question=a"], ["chat", "--once", "Hi"]):
        assert main([*command, "--quantization", quantization]) != 0
        assert f"made with None, {{'quantization': '{quantization}'}}" in capsys.readouterr().err
    assert main(["chat", "--once", "Hi", "--quantization", "int3"]) == 2
    assert "invalid choice: 'int3'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "{file}"], "expected file.py:name"),
        (["plan", "{file}:nothing"], "there: ask, fails, chooses, fails_late"),
        (["plan", "no/such/file.py:ask"], "found none at 'no/such/file.py'"),
        (["plan", "{file}:ask", "--arg", "other=1"], "a name of question, times"),
        (["plan", "{file}:ask", "--arg", "question"], "expected name=value"),
        (["run", "{file}:ask"], "add --arg question=..."),
        (["run", "{file}:ask", "--arg", "question=a", "--arg", "times=two"], "--arg times=two"),
        (["replay", "no/such/trace.jsonl"], "cannot read no/such/trace.jsonl"),
        (["replay", "{file}"], "expected a trace that `palmette run --jsonl` wrote"),
        (["run", "{file}:ask", "--arg", "question=a", "--model", "no/such/folder"], "no/such/folder"),
        (
            ["run", "{file}:ask", "--arg", "question=a", "--seed", "x"],
            "invalid int value: 'x'; see palmette run --help",
        ),
        (
            ["run", "{file}:ask", "--arg", "question=a", "--timeout", "-1"],
            "--timeout: expected a number of seconds > 0, got '-1'; see palmette run --help",
        ),
        (["walk"], "invalid choice: 'walk'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], message: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([each.replace("{file}", str(file)) for each in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("palmette: ")
    assert len(error.splitlines()) == 1


def test_a_program_that_fails_says_why(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"{file}:fails"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("palmette: ProgramError: program 'fails', operation 0 (gen")
    assert "EmptyPrompt" in error


def test_a_program_that_takes_too_long_is_stopped(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "t.jsonl"
    arguments = ["run", f"{file}:ask", "--arg", "question=a", "--jsonl", str(lines)]
    assert main([*arguments, "--timeout", "1e-6"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("palmette: ProgramTimeout: program 'ask'")
    assert "timeout_s is 1e-06" in error
    assert Record.load(lines).branches[0].operations, "what it was at is written all the same"
    assert main([*arguments, "--timeout", "600"]) == 0


def test_what_the_users_code_raises_is_one_line_and_the_trace_is_kept(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "t.jsonl"
    assert main(["run", f"{file}:fails_late", "--jsonl", str(lines)]) == 1
    captured = capsys.readouterr()
    number = PROGRAM.splitlines().index('    raise ValueError("not\\nthis " + str(len(s["first"]) > 0))') + 1
    assert captured.err == f"palmette: ValueError: not this True, at {file}:{number}\n"
    record = Record.load(lines)
    assert record.branches[0].operations[1].samples
    assert main(["replay", str(lines)]) == 0


def test_a_seed_that_was_not_given_is_drawn_and_kept(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "t.jsonl"
    assert main(["run", f"{file}:chooses", "--jsonl", str(lines)]) == 0
    assert Record.load(lines).seed is not None, "a select does not say it"
    assert main(["replay", str(lines)]) == 0


@pytest.mark.parametrize("source", ["def f(:", "import no_such_module_anywhere", "raise RuntimeError('at import')"])
def test_a_file_that_cannot_be_executed_is_one_line(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source, encoding="utf-8")
    assert main(["plan", f"{path}:f"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("palmette: ")
    assert "broken.py" in error
    assert len(error.splitlines()) == 1


def test_a_trace_that_cannot_be_written_is_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", f"{file}:ask", "--arg", "question=Why?", "--trace", str(file / "x.html")]
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"palmette: cannot write {file / 'x.html'}: ")


def test_help_is_for_strangers(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["plan"], ["run"], ["replay"], ["check-schema"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert ended.value.code == 0
        out = capsys.readouterr().out
        assert "usage: palmette" in out
        if command:
            assert f"example: palmette {command[0]}" in out


def test_it_is_a_module_too(file: Path) -> None:
    command = [sys.executable, "-m", "palmette", "plan", f"{file}:ask"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=file.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ask(question)")
