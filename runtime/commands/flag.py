"""Flag: one option of `palmette serve`, on the command line, in a file and in the environment."""

import difflib
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from inspect import signature
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..config import EngineConfig
from ..server.settings import ServerSettings
from .command import UsageError

FlagGroup = Literal["server", "keys", "model", "memory", "scheduling", "constraints", "limits", "requests", "observing"]

PREFIX = "PALMETTE_"

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Flag:
    """An option.

    `target`: a field of `ServerSettings` as `group.field`, or the name of an option of `EngineConfig.from_options`,
    which also gives the type and the default.
    """

    name: str
    """As it is typed, without the dashes."""
    target: str
    group: FlagGroup
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    is_secret: bool = False
    """Its value is not shown."""

    @property
    def key(self) -> str:
        """Its name in a file."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.key.upper()

    @property
    def is_engine(self) -> bool:
        """Whether it is the engine's."""
        return "." not in self.target

    @property
    def annotation(self) -> Any:
        """What its value is."""
        if self.is_engine:
            return signature(EngineConfig.from_options).parameters[self.target].annotation
        group, _, field_name = self.target.partition(".")
        return get_type_hints(get_type_hints(ServerSettings)[group])[field_name]

    @property
    def default(self) -> Any:
        """What holds where nothing is said."""
        if self.is_engine:
            return signature(EngineConfig.from_options).parameters[self.target].default
        group, _, field_name = self.target.partition(".")
        kind = get_type_hints(ServerSettings)[group]
        return next(each.default for each in fields(kind) if each.name == field_name)

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self.annotation is bool

    @property
    def is_list(self) -> bool:
        """Whether it may be given several times; in the environment its values are parted by commas."""
        return get_origin(self.annotation) is tuple

    @property
    def kind(self) -> type:
        """The type of one value."""
        annotation = self.annotation
        if get_origin(annotation) in (Union, types.UnionType):
            annotation = next(each for each in get_args(annotation) if each is not type(None))
        if get_origin(annotation) is tuple:
            annotation = get_args(annotation)[0]
        return annotation if annotation in (int, float, bool) else str

    def read_text(self, text: str, where: str) -> Any:
        """The value that `text` writes, which came from `where`. Raises: UsageError."""
        if self.is_list:
            return tuple(self._read_one(each.strip(), where) for each in text.split(",") if each.strip())
        return self._read_one(text, where)

    def read_value(self, value: object, where: str) -> Any:
        """The value of a file, which has types of its own. Raises: UsageError."""
        if value is None:
            return self.default
        if isinstance(value, list) and self.is_list:
            return tuple(self._read_one(str(each), where) for each in value)
        if isinstance(value, bool) != self.is_switch or isinstance(value, list | dict):
            raise UsageError(f"{where}: expected {self._expected()}, got {self._shown(value)}")
        return value if self.is_switch else self.read_text(str(value), where)

    def _read_one(self, text: str, where: str) -> Any:
        if self.choices and text not in self.choices:
            raise UsageError(f"{where}: expected one of {', '.join(self.choices)}, got {self._shown(text)}")
        if self.kind is bool:
            known = {
                "1": True,
                "true": True,
                "yes": True,
                "on": True,
                "0": False,
                "false": False,
                "no": False,
                "off": False,
            }
            if text.lower() not in known:
                raise UsageError(f"{where}: expected {self._expected()}, got {self._shown(text)}")
            return known[text.lower()]
        try:
            return self.kind(text)
        except ValueError as error:
            raise UsageError(f"{where}: expected {self._expected()}, got {self._shown(text)}") from error

    def _expected(self) -> str:
        words = {int: "an integer", float: "a number", bool: "true or false", str: "text"}[self.kind]
        return words + (f" ({self.unit})" if self.unit else "")

    def _shown(self, value: object) -> str:
        return "something else" if self.is_secret else repr(value)


def flag_of(key: str, flags: Mapping[str, Flag], where: str) -> Flag:
    """The flag of that name in a file. Raises: UsageError."""
    name = key.replace("-", "_")
    if name in flags:
        return flags[name]
    near = difflib.get_close_matches(name, flags, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"{where}: there is no option {key!r}{hint}")
