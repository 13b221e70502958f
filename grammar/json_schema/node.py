"""Node: a value inside a schema's text, known by its JSON pointer."""

from dataclasses import dataclass, field

from ..errors import shorten
from ..json_text.json_value import Json


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside the schema's text.

    `scope` holds the pointers of the schema resources that references led into on the way here, outermost first. It
    is only kept in schemas where a `$dynamicRef` may mean several places; elsewhere it is empty.
    """

    pointer: str
    value: Json = field(compare=False)
    scope: tuple[str, ...] = ()

    def child(self, *keys: str | int) -> "Node":
        """The node under `keys`, which must exist."""
        pointer, value = self.pointer, self.value
        for key in keys:
            if isinstance(value, list) and isinstance(key, int):
                pointer = f"{pointer}/{key}"
                value = value[key]
                continue
            name = str(key)
            pointer = f"{pointer}/{escaped(name)}"
            assert isinstance(value, dict), f"{pointer}: expected an object, got {shorten(value)}"
            value = value[name]
        return Node(pointer, value, self.scope)


def escaped(key: str) -> str:
    """`key` as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key
