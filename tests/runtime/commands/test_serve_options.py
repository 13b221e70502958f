"""The options of `palmette serve`: one table for flags, environment and file."""

import re
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import get_type_hints

import pytest

from palmette.runtime.cli import main
from palmette.runtime.commands.command import CommandParser, UsageError
from palmette.runtime.commands.serve_flags import FLAGS
from palmette.runtime.commands.serve_options import ServeOptions, add_flags, read_options
from palmette.runtime.config import EngineConfig
from palmette.runtime.server.settings import ServerSettings


def read(*typed: str, **environment: str) -> ServeOptions:
    parser = CommandParser(prog="palmette serve")
    add_flags(parser)
    return read_options(parser.parse_args(typed), environment)


def test_every_setting_and_every_option_has_one_flag() -> None:
    settings = {
        f"{group}.{each.name}" for group, kind in get_type_hints(ServerSettings).items() for each in fields(kind)
    }
    options = {
        name
        for name, each in signature(EngineConfig.from_options).parameters.items()
        if each.kind is not each.VAR_KEYWORD
    }
    assert sorted(flag.target for flag in FLAGS) == sorted(settings | options)
    assert len({flag.name for flag in FLAGS}) == len(FLAGS)
    assert all(flag.variable == "PALMETTE_" + flag.name.upper().replace("-", "_") for flag in FLAGS)


def test_told_nothing_the_defaults_hold() -> None:
    told = read()
    assert told.settings == ServerSettings()
    assert told.engine == {}


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_each_flag_changes_its_target_by_each_way(flag: object, tmp_path: Path) -> None:
    from palmette.runtime.commands.flag import Flag

    assert isinstance(flag, Flag)
    wanted = flag.choices[-1] if flag.choices else {int: "7", float: "2.5", str: "x", bool: "true"}[flag.kind]
    expected = True if flag.is_switch else flag.kind(wanted)
    typed = [f"--{flag.name}"] if flag.is_switch else [f"--{flag.name}", wanted]
    path = tmp_path / "serve.yaml"
    path.write_text(f"{flag.key}: {wanted}\n", encoding="utf-8")
    for told in (read(*typed), read(**{flag.variable: wanted}), read("--config", str(path))):
        if flag.is_engine:
            assert told.engine == {flag.target: expected}
        else:
            group, _, name = flag.target.partition(".")
            assert getattr(getattr(told.settings, group), name) == ((expected,) if flag.is_list else expected)


def test_a_flag_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text("port: 1\nhost: 0.0.0.0\ndrain-seconds: 3\n", encoding="utf-8")
    told = read("--port", "3", PALMETTE_CONFIG=str(path), PALMETTE_PORT="2", PALMETTE_DRAIN_SECONDS="4")
    assert (told.settings.bind.port, told.settings.bind.host) == (3, "0.0.0.0")
    assert told.settings.process.drain_s == 4.0


def test_lists_and_switches() -> None:
    assert read("--api-key", "a", "--api-key", "b").settings.keys.api_keys == ("a", "b")
    assert read(PALMETTE_API_KEY="a, b").settings.keys.api_keys == ("a", "b")
    assert not read("--no-in-process", PALMETTE_IN_PROCESS="1").settings.process.is_in_process


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prt: 1", "did you mean port?"),
        ("- 1", "expected options, one a line"),
        ("port: [1]", "expected an integer, got [1]"),
        ("port: true", "expected an integer, got True"),
        ("in_process: 3", "expected true or false, got 3"),
        ("api_key: {a: 1}", "got something else"),
        ("a: b: c", "is no YAML"),
    ],
)
def test_a_file_that_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(words)):
        read("--config", str(path))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("--port", "seven"), "--port: expected an integer, got 'seven'"),
        (("--port", "70000"), "--port: expected 0 to 65535"),
        (("--max-samples", "0"), "--max-samples: expected a number > 0"),
        (("--drain-seconds", "-1"), "--drain-seconds: expected a number >= 0"),
        (("--dtype", "int3"), "expected one of auto, float32"),
        (("--config", "nowhere.yaml"), "cannot read nowhere.yaml"),
    ],
)
def test_a_flag_that_is_wrong_is_told(typed: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        read(*typed)


def test_what_the_engine_refuses_is_told_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--page-size", "0"]) == 2
    assert capsys.readouterr().err == "palmette: page_size: expected an integer >= 1, got 0\n"


def test_the_help_has_groups_defaults_and_variables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for flag in FLAGS:
        assert f"--{flag.name}" in text
        assert f"[{flag.variable}]" in text
    for words in ("where it listens, and how it ends", "(default: 30000)", "KV memory and the prefix cache"):
        assert words in text
