"""A few words on an operation: its text shortened, its constraint, what of its sampling is not the default."""

import json

import msgspec

from ...grammar.spec import (
    Any,
    Choice,
    Constraint,
    Ebnf,
    JsonSchema,
    Lark,
    Reasoned,
    Regex,
    StructuralTag,
    ToolCalls,
)
from ..ir import DeclareTools, Fork, Gen, Join, Operation, RoleBegin, RoleEnd, Score, Select, Text, Tokens
from ..sampling_params import SamplingParams

_DEFAULTS = SamplingParams()
_SHOWN_ON_THEIR_OWN = ("max_new_tokens", "n", "stop", "stop_regex")


def operation_words(operation: Operation, text_len: int = 56) -> str:
    """The operation in one line, without its kind; `text_len` bounds what is shown of a text, in characters."""
    match operation:
        case Text(text=text, has_special=has_special):
            return quoted(text, text_len) + (" (special tokens are read)" if has_special and "<" in text else "")
        case Tokens(token_ids=token_ids):
            return f"{len(token_ids)} token ids"
        case DeclareTools(tools=tools):
            return ", ".join(tool.name for tool in tools)
        case RoleBegin(role=role) | RoleEnd(role=role):
            return role
        case Gen(name=name, params=params, constraint=constraint):
            words = [variable_words(name), *([] if constraint is None else [constraint_words(constraint)])]
            return " · ".join([*words, *sampling_words(params)])
        case Select(name=name, choices=choices, method=method, temperature=temperature):
            words = [variable_words(name), _one_of(choices, text_len)]
            words += [] if method == "token_length_normalized" else [method]
            words += [f"temperature {temperature:g}"] if temperature else []
            return " · ".join(words)
        case Score(name=name, text=text):
            return f"{variable_words(name)} · {quoted(text, text_len)}"
        case Fork(num_children=num_children):
            return f"into {num_children}"
        case Join(branch_ids=branch_ids):
            return f"{len(branch_ids)} branches"


def variable_words(name: str) -> str:
    """The variable; those that the user left without a name are called `#1`, `#2` and so on, here `(unnamed)`."""
    return "(unnamed)" if name.startswith("#") else name


def constraint_words(constraint: Constraint, text_len: int = 40) -> str:
    """The kind of the constraint, and how it begins."""
    match constraint:
        case Regex(pattern=pattern):
            return f"regex {shortened(pattern, text_len)}"
        case JsonSchema(schema=schema):
            return f"JSON of {_schema_words(schema, text_len)}"
        case Choice(choices=choices):
            return _one_of(choices, text_len)
        case Ebnf(grammar=grammar, root=root):
            return f"grammar {root} ({grammar.count('::=')} rules)"
        case Lark(grammar=grammar):
            return f"Lark grammar {shortened(grammar, text_len)}"
        case Any():
            return "any text"
        case StructuralTag(tags=tags):
            return f"text with {shortened(', '.join(tag.begin for tag in tags), text_len)}"
        case Reasoned(answer=answer):
            return f"reasoning, then {constraint_words(answer, text_len)}"
        case ToolCalls():
            return _tool_words(constraint, text_len)


def sampling_words(params: SamplingParams) -> list[str]:
    """How many tokens at most, then what is not the default."""
    words = [f"at most {params.max_new_tokens} tokens"]
    if params.n > 1:
        words.append(f"{params.n} samples")
    words += [f"stop {quoted(stop, 16)}" for stop in params.stop]
    words += [f"stop at regex {shortened(pattern, 24)}" for pattern in params.stop_regex]
    for field in msgspec.structs.fields(params):
        value = getattr(params, field.name)
        if field.name not in _SHOWN_ON_THEIR_OWN and value != getattr(_DEFAULTS, field.name):
            name = field.name.replace("_", " ")
            words.append(name if value is True else f"{name} {_value_words(value)}")
    return words


def quoted(text: str, max_len: int) -> str:
    """The text in quotes on one line, its middle left out where it is longer than `max_len` characters."""
    return json.dumps(shortened(text, max_len), ensure_ascii=False)


def shortened(text: str, max_len: int) -> str:
    """Its beginning and its end, with "…" for what is left out between them."""
    if len(text) <= max_len:
        return text
    end_len = max_len // 4
    return text[: max_len - end_len - 1] + "…" + text[len(text) - end_len :]


def _one_of(choices: tuple[str, ...], text_len: int) -> str:
    shown: list[str] = []
    for choice in choices:
        shown.append(quoted(choice, 20))
        if sum(map(len, shown)) > text_len and len(shown) < len(choices):
            return f"one of {len(choices)}: {', '.join(shown)}, …"
    return f"one of {', '.join(shown)}"


def _tool_words(constraint: ToolCalls, text_len: int) -> str:
    names = [tool.name for tool in constraint.tools if constraint.allowed is None or tool.name in constraint.allowed]
    how = {"none": "no call", "auto": "calls, or none,", "required": "a call"}[constraint.choice]
    return f"{how} of {shortened(', '.join(names), text_len)} ({constraint.format})"


def _schema_words(schema: str, text_len: int) -> str:
    """Its title, or the names of its properties, or else how it begins."""
    try:
        read = json.loads(schema)
    except json.JSONDecodeError:
        return shortened(schema, text_len)
    if isinstance(read, dict):
        if isinstance(read.get("title"), str):
            return shortened(read["title"], text_len)
        if isinstance(read.get("properties"), dict):
            return "{" + shortened(", ".join(map(str, read["properties"])), text_len) + "}"
    return shortened(json.dumps(read, ensure_ascii=False), text_len)


def _value_words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return shortened(json.dumps(msgspec.to_builtins(value, str_keys=True)), 40)
