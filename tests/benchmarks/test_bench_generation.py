"""The generation benchmark at its smallest: it runs, counts what it should, and its judge is strict."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_it_prints_its_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import bench_generation

    suite = tmp_path / "suite"
    suite.mkdir()
    valid = [{"data": 3, "valid": True}]
    groups = [
        {"description": "bounded", "schema": {"type": "integer", "minimum": 3, "maximum": 5}, "tests": valid},
        {"description": "nothing", "schema": {"allOf": [False]}, "tests": valid},
        {"description": "elsewhere", "schema": {"$ref": "https://example.com/x"}, "tests": valid},
        {"description": "no valid instance", "schema": {"minimum": 1}, "tests": []},
    ]
    (suite / "small.json").write_text(json.dumps(groups))
    arguments = ["--only", "suite small", "web/calendar_rule", "--suite", str(suite), "--seeds", "2", "--show"]
    result = bench_generation.main([*arguments, "--max-tokens", "60", "--json", str(tmp_path / "tiny.json")])
    printed = capsys.readouterr().out
    for expected in ("Generations at temperature 1", "suite small", "guards add", "refused: small: elsewhere"):
        assert expected in printed
    assert json.loads((tmp_path / "tiny.json").read_text()) == json.loads(json.dumps(result))
    groups_of_result = {each["group"]: each for each in result["groups"]}
    assert groups_of_result["suite small"]["ends"] == {"valid": 2}
    assert groups_of_result["real-world"]["num_generations"] == 2
    assert groups_of_result["all"]["num_schemas"] == 2
    assert (result["num_unsatisfiable"], list(result["refused"])) == (1, ["small: elsewhere"])
    assert result["num_guarded"] == 1


@pytest.mark.parametrize(
    ("schema", "text", "is_valid"),
    [
        ({"multipleOf": 0.1}, "0.3", True),
        ({"multipleOf": 0.1}, "0.35", False),
        ({"type": "integer"}, "1.0", True),
        ({"type": "integer"}, "1.5", False),
        ({"format": "ipv4"}, '"1.2.3.4"', True),
        ({"format": "ipv4"}, '"1.2.3"', False),
        (True, "NaN", False),
        (True, "[1,", False),
        (True, '{"a": [null]}', True),
    ],
)
def test_the_judge(schema: object, text: str, is_valid: bool) -> None:
    from generation_judge import fault_of

    assert (fault_of(json.dumps(schema), text) is None) is is_valid


def test_what_the_judge_cannot_read() -> None:
    from generation_judge import CannotJudge, fault_of

    with pytest.raises(CannotJudge, match="bad escape"):
        fault_of(json.dumps({"pattern": r"^\p{Letter}"}), '"a"')
