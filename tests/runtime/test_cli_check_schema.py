"""`palmette check-schema`: what it says of schemas and documents, and how it exits."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from palmette.runtime.cli import main

PERSON = {
    "title": "Person",
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z]"},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["name"],
}
REFUSED = {"type": "object", "properties": {"a/b": {"type": "string", "pattern": "(?=a)b"}, "c": {"nullable": True}}}


@pytest.fixture
def person(tmp_path: Path) -> Path:
    return write(tmp_path / "person.json", json.dumps(PERSON))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_enforced_by_what(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-schema", str(person)]) == 0
    head, *rest = capsys.readouterr().out.splitlines()
    assert head.startswith("enforceable: llguidance, ")
    assert head.endswith("guards check what a grammar cannot say")
    assert [line.split() for line in rest if line] == [
        ["the", "grammar", "enforces"],
        ["#", "type,", "properties,", "required"],
        ["#/properties/name", "type,", "pattern"],
        ["#/properties/tags", "type,", "items"],
        ["#/properties/tags/items", "type"],
        ["guards", "check", "where", "values", "close"],
        ["#/properties/tags", "uniqueItems"],
        ["forbids", "nothing"],
        ["#", "title"],
    ]


def test_all_that_is_refused_has_pointer_and_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-schema", str(write(tmp_path / "s.json", json.dumps(REFUSED)))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "refused"
    assert lines[1].startswith("  #/properties/a~1b  pattern: ")
    assert "look-around at position 0" in lines[1]
    assert lines[2].startswith("  #/properties/c  nullable: ")


@pytest.mark.parametrize(
    ("schema", "kind", "message"),
    [
        ("false", "UnsatisfiableConstraint", "no document meets"),
        ("{", "InvalidSchema", "expected JSON text"),
        ('{"type": "strin"}', "InvalidSchema", "#/type"),
        ('{"type": "string", "maxLength": -1}', "InvalidSchema", "maxLength"),
    ],
)
def test_what_is_wrong_as_a_whole(
    schema: str, kind: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "s.json", schema)
    assert main(["check-schema", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("refused: ")
    assert message in out
    assert main(["check-schema", str(path), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["enforceable"] is False
    assert shown["error"]["type"] == kind


@pytest.mark.parametrize(
    ("document", "options", "said"),
    [
        ('{"name": "Ann", "tags": ["a", "b"]}\n', [], None),
        ('{"name":"Ann"}', ["--whitespace", "compact"], None),
        ('{\n    "name": "Ann"\n}', ["--whitespace", "4"], None),
        ('{"tags": [], "name": "Ann"}', ["--order", "any"], None),
        ('{"name": "Ann", "age": 3}', ["--reading", "literal"], None),
        ('{"name": "Ann", "tags": ["a", "a"]}', [], "line 1, column 33 on|not valid by the schema"),
        ('{"name": "Ann"', [], "line 1, column 15 on|no JSON"),
        ('{\n  "name": "Ann"}', [], "line 1, column 2 on|accepted with --whitespace flexible"),
        ('{"tags":[],"name":"Ann"}', [], "column 3 on|accepted with --whitespace flexible --order any"),
        ('{"name": "Ann", "age": 3}', [], "accepted with --reading literal"),
        ('{\n  "name": "Ann",\n  "age": 3\n}', ["--whitespace", "2"], "line 3, column 4 on|with --reading literal"),
        ("[" * 100_000, [], "column 1 on|no JSON text that can be read"),
    ],
)
def test_documents(
    document: str,
    options: list[str],
    said: str | None,
    person: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path / "document.json", document)
    arguments = ["check-schema", str(person), "--document", str(path), *options]
    assert main(arguments) == (0 if said is None else 1)
    out = capsys.readouterr().out
    for words in ["the document is accepted"] if said is None else ["not accepted", *said.split("|")]:
        assert words in out
    main([*arguments, "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["enforceable"], shown["document"]["accepted"]) == (True, said is None)


def test_a_character_refused_in_its_middle_is_where_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = write(tmp_path / "s.json", '{"enum": ["é\\u00e4"]}')
    document = write(tmp_path / "d.json", '"éö"')  # ä and ö begin with the same byte
    assert main(["check-schema", str(schema), "--document", str(document)]) == 1
    assert "from line 1, column 3 on" in capsys.readouterr().out


def test_the_json_says_it_all(person: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-schema", str(person), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["engine"], shown["error"]) == ("llguidance", None)
    assert {"pointer": "/properties/tags", "keyword": "uniqueItems", "verdict": "guarded", "reason": ""} in shown[
        "keywords"
    ]
    assert "document" not in shown


def test_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"enum": ["a", "b"]}'))
    assert main(["check-schema", "-"]) == 0
    assert capsys.readouterr().out.startswith("enforceable: automaton, one of 2 texts")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such/file.json"], "cannot read no/such/file.json: No such file"),
        (["{latin}"], "expected UTF-8, got invalid"),
        (["{schema}", "--document", "no/such/file.json"], "cannot read no/such/file.json"),
        (["{schema}", "--whitespace", "tabs"], "expected compact, spaced, flexible or an indent in blanks, got 'tabs'"),
        (["{schema}", "--reading", "loose"], "invalid choice: 'loose'"),
        (["-", "--document", "-"], "got - for both"),
        ([], "required: FILE"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], message: str, person: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'{"title": "\xe9"}')
    names = {"{schema}": str(person), "{latin}": str(latin)}
    assert main(["check-schema", *[names.get(each, each) for each in arguments]]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_refused_schema_waits_for_no_torch(tmp_path: Path) -> None:
    path = write(tmp_path / "s.json", json.dumps(REFUSED))
    script = "import sys; from palmette.runtime.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    command = [sys.executable, "-c", script, "check-schema", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "1 False"
