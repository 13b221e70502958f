"""Constraints as plain data: hashable, JSON-serialisable, free of any engine."""

from typing import Literal

import msgspec

Whitespace = Literal["compact", "spaced", "flexible"] | int
"""How JSON is laid out: `{"a":1}`, `{"a": 1}`, any (bounded) white space, or an indent in spaces."""


class Regex(msgspec.Struct, frozen=True, tag="regex"):
    """The whole text must match `pattern` (Python syntax, full match)."""

    pattern: str


Reading = Literal["tight", "literal"]
"""How much of what a schema leaves open is made use of; every document is valid under either reading.

`tight`: as its author most likely meant it. Objects that declare properties hold no others, tuples no further
items, unless `additionalProperties` or `items` says so; a node without `type` is of the types its keywords are
about. `literal`: by the letter, where all that is not forbidden is allowed.
"""


class JsonSchema(msgspec.Struct, frozen=True, tag="json_schema"):
    """The whole text must be a JSON document that `schema`, itself JSON text, accepts.

    Properties come in the order the schema declares them. White space is by default that of Python's `json.dumps`,
    which models are trained on: their tokenizers write `":"` as one token, so that a model about to write `": "`
    and held to the compact form would open the string with the colon.
    """

    schema: str
    whitespace: Whitespace = "spaced"
    reading: Reading = "tight"


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """The whole text must be one of `choices`."""

    choices: tuple[str, ...]


class Ebnf(msgspec.Struct, frozen=True, tag="ebnf"):
    """The whole text must derive from the rule `root` of `grammar` (GBNF dialect)."""

    grammar: str
    root: str = "root"


Constraint = Regex | JsonSchema | Choice | Ebnf
