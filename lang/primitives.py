"""The primitives: gen, select, score and the roles; their arguments are checked where the user wrote them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from ..grammar.spec import Constraint
from .arguments.choices import CHOICES_METHODS
from .arguments.constraint_arguments import DType, check_at_most_one, constraint_of, typed
from .arguments.sampling_arguments import SamplingArguments, set_fields
from .errors import InvalidArgument
from .expressions import (
    Expression,
    ExpressionList,
    GenExpression,
    RoleBeginExpression,
    RoleEndExpression,
    ScoreExpression,
    SelectExpression,
)
from .ir import ChoicesMethod


def gen(
    name: str | None = None,
    max_tokens: int | None = None,
    min_tokens: int | None = None,
    n: int | None = None,
    stop: str | Iterable[str] | None = None,
    stop_token_ids: Iterable[int] | None = None,
    stop_regex: str | Iterable[str] | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    top_k: int | None = None,
    min_p: float | None = None,
    frequency_penalty: float | None = None,
    presence_penalty: float | None = None,
    ignore_eos: bool | None = None,
    return_logprob: bool | None = None,
    logprob_start_len: int | None = None,
    top_logprobs_num: int | None = None,
    return_text_in_logprobs: bool | None = None,
    dtype: DType | None = None,
    choices: Sequence[str] | None = None,
    choices_method: ChoicesMethod | None = None,
    regex: str | None = None,
    json_schema: Mapping[str, object] | str | type | None = None,
    *,
    type: Any = None,  # noqa: A002 - the word for it
    seed: int | None = None,
    logit_bias: Mapping[int, float] | None = None,
    ebnf: str | None = None,
    lark: str | None = None,
    constraint: Constraint | None = None,
    repetition_penalty: float | None = None,
    token_healing: bool | None = None,
    prediction: str | None = None,
) -> Expression:
    """Generate text into the variable `name`; what is None comes from the run's defaults.

    At most one of `type`, `dtype`, `choices`, `regex`, `json_schema`, `ebnf`, `lark` and `constraint`. With a `type` (a
    dataclass, TypedDict, NamedTuple, msgspec Struct, pydantic model, Literal, Enum, int, float, bool, date, list[T],
    dict[str, T], a union of these, `Annotated` with bounds) the grammar is held to its schema and the value is an
    instance; `str` is any text. `json_schema` is a dict, its JSON text, or a type whose schema is meant; the value is
    text, as under a `dtype`. `constraint` is any of `palmette.grammar.spec`, tool calls and structural tags among them.

    With `choices` this is a `select`, of whose sampling only `temperature` applies, by default 0. With `n` > 1 the
    variable is a list of `n` values, and the state's text goes on with the first. `seed` is a 64-bit key of the noise,
    by default the run's. With `token_healing` the model may write the last tokens of the text before anew, as longer
    ones that reach into the value: "://" after "http", where the text ends in "http:". The text stays what it is, and
    none of it is in the value. `prediction` is what the value is expected to be, mostly, such as a file of which a line
    is to change: where the engine guesses ahead it comes sooner, and is the same. Raises `InvalidArgument`, and
    `GrammarError` for a `regex` or a `type` that no grammar can be held to.
    """
    if choices is not None:
        check_at_most_one(
            {
                "choices": choices,
                "type": type,
                "dtype": dtype,
                "regex": regex,
                "json_schema": json_schema,
                "ebnf": ebnf,
                "lark": lark,
                "constraint": constraint,
            }
        )
        if n not in (None, 1):
            raise InvalidArgument("n", "1 with choices", n, "fork(n) and select in each branch")
        return select(name, choices, 0.0 if temperature is None else temperature, choices_method)
    if choices_method is not None:
        raise InvalidArgument("choices_method", "choices to apply it to", choices_method)
    sampling = set_fields(
        {
            "max_tokens": max_tokens,
            "min_tokens": min_tokens,
            "n": n,
            "stop": stop,
            "stop_token_ids": stop_token_ids,
            "stop_regex": stop_regex,
            "temperature": temperature,
            "top_p": top_p,
            "top_k": top_k,
            "min_p": min_p,
            "frequency_penalty": frequency_penalty,
            "presence_penalty": presence_penalty,
            "ignore_eos": ignore_eos,
            "return_logprob": return_logprob,
            "logprob_start_len": logprob_start_len,
            "top_logprobs_num": top_logprobs_num,
            "return_text_in_logprobs": return_text_in_logprobs,
            "seed": seed,
            "logit_bias": logit_bias,
            "repetition_penalty": repetition_penalty,
            "token_healing": token_healing,
        }
    )
    if not (prediction is None or isinstance(prediction, str)):
        raise InvalidArgument("prediction", "a string", prediction)
    if type is not None:
        check_at_most_one(
            {
                "type": type,
                "dtype": dtype,
                "regex": regex,
                "json_schema": json_schema,
                "ebnf": ebnf,
                "lark": lark,
                "constraint": constraint,
            }
        )
        value_type, of_type = typed(type)
        return GenExpression(_name(name), sampling, of_type, value_type, prediction)
    given = constraint_of(
        dtype=dtype, regex=regex, json_schema=json_schema, ebnf=ebnf, lark=lark, constraint=constraint
    )
    return GenExpression(_name(name), sampling, given, prediction=prediction)


def gen_int(
    name: str | None = None, max_tokens: int | None = None, **sampling: Unpack[SamplingArguments]
) -> Expression:
    """`gen(..., dtype=int)`."""
    return gen(name, max_tokens, dtype=int, **sampling)


def gen_string(
    name: str | None = None, max_tokens: int | None = None, **sampling: Unpack[SamplingArguments]
) -> Expression:
    """`gen(..., dtype=str)`: a string in double quotes."""
    return gen(name, max_tokens, dtype=str, **sampling)


def select(
    name: str | None = None,
    choices: Sequence[str] | None = None,
    temperature: float = 0.0,
    choices_method: ChoicesMethod | None = None,
) -> Expression:
    """Append whichever of `choices` the model finds most likely, and set the variable `name` to it.

    `choices_method` is one of `token_length_normalized` (the default), `greedy_token_selection` and
    `unconditional_likelihood_normalized`. With a `temperature` above 0 a choice is drawn. Raises `InvalidArgument`.
    """
    method = CHOICES_METHODS[0] if choices_method is None else choices_method
    if method not in CHOICES_METHODS:
        raise InvalidArgument("choices_method", f"one of {', '.join(CHOICES_METHODS)}", choices_method)
    temperature = set_fields({"temperature": temperature}).get("temperature", 0.0)
    return SelectExpression(_name(name), _choices(choices), method, temperature)


def score(name: str, text: str) -> Expression:
    """Append `text` and set the variable `name` to its log-probability; the meta info has each token's."""
    if not isinstance(text, str) or text == "":
        raise InvalidArgument("text", "a non-empty string", text)
    return ScoreExpression(_name(name), text)


def system(expression: Expression | str | None = None) -> ExpressionList:
    """A turn of the system."""
    return _turn("system", expression)


def user(expression: Expression | str | None = None) -> ExpressionList:
    """A turn of the user."""
    return _turn("user", expression)


def assistant(expression: Expression | str | None = None) -> ExpressionList:
    """A turn of the assistant."""
    return _turn("assistant", expression)


def system_begin() -> Expression:
    """The begin of a turn of the system."""
    return RoleBeginExpression("system")


def system_end() -> Expression:
    """The end of a turn of the system."""
    return RoleEndExpression("system")


def user_begin() -> Expression:
    """The begin of a turn of the user."""
    return RoleBeginExpression("user")


def user_end() -> Expression:
    """The end of a turn of the user."""
    return RoleEndExpression("user")


def assistant_begin() -> Expression:
    """The begin of a turn of the assistant."""
    return RoleBeginExpression("assistant")


def assistant_end() -> Expression:
    """The end of a turn of the assistant."""
    return RoleEndExpression("assistant")


def _turn(role: str, expression: Expression | str | None) -> ExpressionList:
    if expression is None:
        return ExpressionList((RoleBeginExpression(role), RoleEndExpression(role)))
    if not isinstance(expression, Expression | str):
        raise InvalidArgument(role, "text or an expression", expression)
    return ExpressionList((RoleBeginExpression(role), expression, RoleEndExpression(role)))


def _name(name: object) -> str | None:
    if name is not None and (not isinstance(name, str) or name == ""):
        raise InvalidArgument("name", "a non-empty string, or None", name)
    return name


def _choices(choices: object) -> tuple[str, ...]:
    if isinstance(choices, str | bytes) or not isinstance(choices, Iterable):
        raise InvalidArgument("choices", "a list of strings", choices)
    listed = tuple(choices)
    if not listed:
        raise InvalidArgument("choices", "at least one choice", listed)
    for choice in listed:
        if not isinstance(choice, str) or choice == "":
            raise InvalidArgument("choices", "non-empty strings", choice)
    if len(set(listed)) < len(listed):
        raise InvalidArgument("choices", "choices that differ from each other", listed)
    return listed
