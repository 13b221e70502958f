"""What `palmette serve` was told: by flags, else by the environment, else by a file, else the defaults."""

import argparse
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..server.settings import ServerSettings
from .command import CommandParser, UsageError
from .flag import PREFIX, Flag, flag_of
from .serve_flags import FLAGS

_MAY_BE_ZERO = frozenset({"drain-seconds", "max-logprobs", "max-logit-bias", "max-tools", "max-stops"})

CONFIG_VARIABLE = PREFIX + "CONFIG"

_HEADS = {
    "server": "where it listens, and how it ends",
    "keys": "who may use it (without keys: whoever reaches it)",
    "model": "the model",
    "memory": "KV memory and the prefix cache",
    "scheduling": "what runs when",
    "constraints": "how constraints are enforced",
    "limits": "what a request may hold",
    "requests": "what holds where a request does not say",
    "observing": "watching it",
}


@dataclass(frozen=True)
class ServeOptions:
    """The server's settings, and the engine's options by the names of `EngineConfig.from_options`."""

    settings: ServerSettings
    engine: Mapping[str, Any]


def add_flags(parser: CommandParser) -> None:
    """All flags, in groups; what is not given is not in the parsed options."""
    parser.add_argument(
        "--config",
        metavar="FILE.yaml",
        help=f"options, one a line, as in `max_queued_requests: 256` [{CONFIG_VARIABLE}]",
    )
    for group, about in _HEADS.items():
        section = parser.add_argument_group(group, about)
        for flag in FLAGS:
            if flag.group == group:
                _add(section, flag)


def read_options(given: argparse.Namespace, environment: Mapping[str, str]) -> ServeOptions:
    """Put all sources together. Raises: UsageError."""
    values: dict[str, Any] = {}
    path = given.config or environment.get(CONFIG_VARIABLE)
    if path:
        values |= _from_file(path)
    for flag in FLAGS:
        if flag.variable in environment:
            values[flag.name] = flag.read_text(environment[flag.variable], flag.variable)
        typed = getattr(given, flag.key, None)
        if typed is not None:
            values[flag.name] = _from_typed(flag, typed)
    return _options(values)


def _add(section: Any, flag: Flag) -> None:
    about = f"{flag.help}{_default(flag)} [{flag.variable}]".replace("%", "%%")
    if flag.is_switch:
        section.add_argument(f"--{flag.name}", action=argparse.BooleanOptionalAction, default=None, help=about)
        return
    metavar = "{" + ",".join(flag.choices) + "}" if flag.choices else flag.unit.upper() or _METAVARS[flag.kind]
    action = "append" if flag.is_list else "store"
    section.add_argument(f"--{flag.name}", action=action, default=None, metavar=metavar, help=about)


_METAVARS = {int: "N", float: "N", str: "TEXT"}


def _default(flag: Flag) -> str:
    default = flag.default
    if default is None or default == () or default == "" or default is False:
        return " (several times)" if flag.is_list else ""
    return f" (default: {'on' if default is True else default})"


def _from_typed(flag: Flag, typed: Any) -> Any:
    if isinstance(typed, list):
        return tuple(each for text in typed for each in flag.read_text(text, f"--{flag.name}"))
    return typed if isinstance(typed, bool) else flag.read_text(typed, f"--{flag.name}")


def _from_file(path: str) -> dict[str, Any]:
    import yaml  # only where there is a file

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config: cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"--config: {path} is no YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"--config: expected options, one a line, as `port: 8000`, got {type(content).__name__}")
    flags = {flag.key: flag for flag in FLAGS}
    values: dict[str, Any] = {}
    for key, value in content.items():
        flag = flag_of(str(key), flags, f"--config {path}")
        values[flag.name] = flag.read_value(value, f"--config {path}: {key}")
    return values


def _options(values: Mapping[str, Any]) -> ServeOptions:
    engine: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for flag in FLAGS:
        if flag.name not in values:
            continue
        if flag.is_engine:
            engine[flag.target] = values[flag.name]
        else:
            group, _, field_name = flag.target.partition(".")
            groups[group][field_name] = values[flag.name]
    base = ServerSettings()
    changed = {group: replace(getattr(base, group), **fields) for group, fields in groups.items()}
    settings = replace(base, **changed)
    _check(settings)
    return ServeOptions(settings, engine)


def _check(settings: ServerSettings) -> None:
    """Raise `UsageError` for what cannot be."""
    if not 0 <= settings.bind.port <= 65_535:
        raise UsageError(f"--port: expected 0 to 65535, got {settings.bind.port}")
    for flag in FLAGS:
        if flag.is_engine or flag.kind not in (int, float) or flag.name == "port":
            continue
        group, _, field_name = flag.target.partition(".")
        value = getattr(getattr(settings, group), field_name)
        least = (
            0 if flag.name in ("drain-seconds", "max-logprobs", "max-logit-bias", "max-tools", "max-stops") else None
        )
        if value is not None and (value < 0 if least == 0 else value <= 0):
            raise UsageError(f"--{flag.name}: expected a number {'>= 0' if least == 0 else '> 0'}, got {value}")
