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

    Properties come in the order the schema declares them, or in any. White space is by default that of Python's
    `json.dumps`, which models are trained on: their tokenizers write `":"` as one token, so that a model about to
    write `": "` and held to the compact form would open the string with the colon.
    """

    schema: str
    whitespace: Whitespace = "spaced"
    reading: Reading = "tight"
    property_order: Literal["declared", "any"] = "declared"
    on_unsupported: Literal["refuse", "warn"] = "refuse"
    """What comes of a keyword that cannot be enforced: an error, or a warning and a wider language."""


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """The whole text must be one of `choices`."""

    choices: tuple[str, ...]


class Ebnf(msgspec.Struct, frozen=True, tag="ebnf"):
    """The whole text must derive from the rule `root` of `grammar` (GBNF dialect)."""

    grammar: str
    root: str = "root"


class Lark(msgspec.Struct, frozen=True, tag="lark"):
    """The whole text must derive from the rule `start` of `grammar` (Lark, as llguidance reads it)."""

    grammar: str


class Any(msgspec.Struct, frozen=True, tag="any"):
    """Any text; between tags, any text without the tag that ends it."""


class Tag(msgspec.Struct, frozen=True):
    """A text between two marks: `begin`, then what `content` describes, then `end`."""

    begin: str
    content: "Constraint"
    end: str


class StructuralTag(msgspec.Struct, frozen=True, tag="structural_tag"):
    """Free text with tagged parts in it: wherever a trigger is written, one of the `tags` that begin with it follows.

    Free text contains no trigger. `at_least_one`: the text does not end before a tag has; `stop_after_first`: it ends
    with the first one. A tag's content goes on until its constraint is met and `end` is written; what may be inside it
    is for the constraint to say (of `Any`: all but `end`).
    """

    tags: tuple[Tag, ...]
    triggers: tuple[str, ...] = ()
    """Beginnings of the tags' `begin`; empty: the `begin` of each, whole."""
    at_least_one: bool = False
    stop_after_first: bool = False


class Reasoning(msgspec.Struct, frozen=True):
    """The marks around a model's thoughts, which come first and are free.

    `begin=""`: the prompt has opened them already, so the text begins inside and must close them.
    """

    begin: str = "<think>"
    end: str = "</think>"


class Reasoned(msgspec.Struct, frozen=True, tag="reasoned"):
    """Thoughts, free, then an answer held to `answer`; up to two line breaks may part them."""

    answer: "Constraint"
    reasoning: Reasoning = Reasoning()


class ToolSpec(msgspec.Struct, frozen=True):
    """What a call of the tool `name` may say: exactly one of the two is given.

    `parameters`: JSON Schema, as JSON text, of the object of arguments. `custom_input`: the tool takes one text,
    which models write as the argument `input`. A Lark grammar is read as one of characters there, so one that needs
    a lexer (`%ignore`) is refused.
    """

    name: str
    parameters: str | None = None
    custom_input: Regex | Lark | Ebnf | Choice | None = None


CallFormatName = Literal["hermes", "llama3", "mistral", "pythonic"]
"""`<tool_call>` of Hermes and Qwen (and sprig), Llama 3's JSON, Mistral's `[TOOL_CALLS]`, Python calls in brackets."""
ToolChoice = Literal["none", "auto", "required"]


class ToolCalls(msgspec.Struct, frozen=True, tag="tool_calls"):
    """A model's turn in which it may call tools: free text, and calls whose names and arguments follow `tools`.

    `choice`: no call, any number with text around them, or at least one, which then comes first. `allowed` narrows
    the tools without taking them from the list; to have one called by name, `choice="required", allowed=(name,)`.
    `parallel=False`: one call at most, with which the turn ends. The free text never contains what a call begins
    with. `reasoning` may come before it all, or not.

    The marks are written as text. A model whose tokenizer keeps one as a special token without text (Mistral's
    `[TOOL_CALLS]`) spells it out here.
    """

    tools: tuple[ToolSpec, ...]
    format: CallFormatName = "hermes"
    choice: ToolChoice = "auto"
    allowed: tuple[str, ...] | None = None
    parallel: bool = True
    reasoning: Reasoning | None = None


Constraint = Regex | JsonSchema | Choice | Ebnf | Lark | Any | StructuralTag | Reasoned | ToolCalls
