"""From the arguments of `Engine.generate` to operations."""

import difflib
import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, SupportsIndex

from ..grammar.spec import Choice, Constraint
from ..lang.arguments.constraint_arguments import check_at_most_one, constraint_of
from ..lang.arguments.sampling_arguments import set_fields
from ..lang.ir import Gen, Operation, Text, Tokens
from ..lang.sampling_params import SamplingParams
from ..lang.terms import Terms
from .errors import EmptyPrompt, InvalidRequest

_OTHER_NAMES = {"max_tokens": "max_new_tokens", "min_tokens": "min_new_tokens", "sampling_seed": "seed"}
_CONSTRAINTS = ("json_schema", "regex", "ebnf", "lark", "choices", "constraint")
_FIELDS = frozenset(SamplingParams.__struct_fields__)

_ONLY_VALUES: Mapping[str, tuple[bool, str]] = {
    "spaces_between_special_tokens": (True, "tokens are written as the tokenizer decodes them"),
    "no_stop_trim": (False, "the text ends before the stop; `finish_reason` in the meta info says which it was"),
}
"""Names of SGLang that are taken at their default alone, with the reason."""


@dataclass(frozen=True)
class Job:
    """One prompt: its text, a generation, and the terms for both."""

    operations: tuple[Operation, ...]
    terms: Terms


def gen_jobs(
    prompt: str | Sequence[str] | None,
    sampling_params: Mapping[str, object] | Sequence[Mapping[str, object]] | None,
    input_ids: Sequence[int] | Sequence[Sequence[int]] | None,
    return_logprob: bool | Sequence[bool],
    top_logprobs_num: int | Sequence[int],
    logprob_start_len: int | Sequence[int | None] | None,
    terms: Mapping[str, Any],
) -> tuple[list[Job], bool]:
    """One job, text and a generation, for each prompt; and whether a list was given.

    `terms`: for each field of `Terms` one value for all, or a list of one each.

    Raises: InvalidRequest, EmptyPrompt, InvalidArgument.
    """
    inputs, is_list = _inputs(prompt, input_ids)
    has_own_params = sampling_params is not None and not isinstance(sampling_params, Mapping)
    params = _for_each("sampling_params", {} if sampling_params is None else sampling_params, len(inputs))
    reports = {
        "return_logprob": _for_each("return_logprob", return_logprob, len(inputs)),
        "top_logprobs_num": _for_each("top_logprobs_num", top_logprobs_num, len(inputs)),
        "logprob_start_len": _for_each("logprob_start_len", logprob_start_len, len(inputs)),
    }
    each_of_terms: dict[str, list[Any]] = {name: _for_each(name, value, len(inputs)) for name, value in terms.items()}
    jobs: list[Job] = []
    for index, given in enumerate(inputs):
        own = params[index]
        if not isinstance(own, Mapping):
            raise InvalidRequest(f"sampling_params: expected a dict, got {own!r} as item {index}")
        shared = {name: values[index] for name, values in reports.items()}
        with naming_item(index if has_own_params else None):
            gen = read_gen({**shared, **own})
        with naming_item(index if is_list else None):
            own_terms = Terms(**{name: values[index] for name, values in each_of_terms.items()})
        jobs.append(Job((given, gen), own_terms))
    return jobs, is_list


@contextmanager
def naming_item(index: int | None) -> Iterator[None]:
    """Note on an error that comes from inside which prompt of the list it is of; None: there is no list."""
    try:
        yield
    except Exception as error:
        if index is not None:
            error.add_note(f"in prompt {index} of the list")
        raise


def _for_each(name: str, value: object, num_prompts: int) -> list[object]:
    """One value a prompt, from one for all or a list of one each."""
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        return [value] * num_prompts
    if len(value) != num_prompts:
        raise InvalidRequest(
            f"{name}: expected one for all or one for each of the {num_prompts} prompts, got {len(value)}"
        )
    return list(value)


def read_gen(given: Mapping[str, object]) -> Gen:
    """The generation `text`: its parameters, constraint and prediction, from a dict with SGLang's names.

    Raises: InvalidRequest for an unknown name, InvalidArgument for a wrong value or for two constraints.
    """
    named = {_OTHER_NAMES.get(name, name): value for name, value in given.items()}
    for name, (only, reason) in _ONLY_VALUES.items():
        if named.pop(name, only) is not only:
            raise InvalidRequest(f"sampling_params: expected {name} to be {only}, got {given[name]!r}; {reason}")
    known = sorted([*_FIELDS, *_CONSTRAINTS, "prediction"])
    unknown = sorted(set(named) - set(known), key=repr)
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
        raise InvalidRequest(f"sampling_params: there is no {unknown[0]!r}; {hint}")
    constraints = {name: named.pop(name, None) for name in _CONSTRAINTS}
    check_at_most_one(constraints)
    prediction = named.pop("prediction", None)
    if prediction is not None and not isinstance(prediction, str):
        raise InvalidRequest(f"prediction: expected a string, got {prediction!r}")
    return Gen("text", SamplingParams(**set_fields(named)), _constraint(constraints), prediction)


def _constraint(given: Mapping[str, Any]) -> Constraint | None:
    choices, schema = given["choices"], given["json_schema"]
    if choices is not None:
        if isinstance(choices, str) or not isinstance(choices, Sequence):
            raise InvalidRequest(f"choices: expected a list of strings, got {choices!r}")
        wrong = next((each for each in choices if not isinstance(each, str)), None)
        if wrong is not None:
            raise InvalidRequest(f"choices: expected a list of strings, got {wrong!r} in it")
        return Choice(tuple(choices))
    if schema is not None and not isinstance(schema, Mapping | str | bool):
        raise InvalidRequest(f"json_schema: expected a dict or JSON text, got {schema!r}")
    for name in ("regex", "ebnf", "lark"):
        if given[name] is not None and not isinstance(given[name], str):
            raise InvalidRequest(f"{name}: expected a string, got {given[name]!r}")
    return constraint_of(
        dtype=None,
        regex=given["regex"],
        json_schema=schema,
        ebnf=given["ebnf"],
        lark=given["lark"],
        constraint=given["constraint"],
    )


def _inputs(
    prompt: str | Sequence[str] | None, input_ids: Sequence[int] | Sequence[Sequence[int]] | None
) -> tuple[list[Operation], bool]:
    if (prompt is None) == (input_ids is None):
        raise InvalidRequest("expected either prompt or input_ids, got " + ("neither" if prompt is None else "both"))
    inputs: list[Operation]
    if prompt is not None:
        is_list = not isinstance(prompt, str)
        texts = [prompt] if isinstance(prompt, str) else _list(prompt)
        inputs = [_text(text, index) for index, text in enumerate(texts)]
    else:
        given = _token_list(input_ids)
        is_list = any(not _is_token_id(each) for each in given)
        inputs = [_tokens(row, index) for index, row in enumerate(given if is_list else [given])]
    if not inputs:
        raise EmptyPrompt("expected at least one prompt, got an empty list")
    return inputs, is_list


def _list(prompt: object) -> Sequence[object]:
    if isinstance(prompt, bytes | bytearray) or not isinstance(prompt, Sequence):
        raise InvalidRequest(f"prompt: expected a string or a list of strings, got {prompt!r}")
    return prompt


def _text(text: object, index: int) -> Text:
    if not isinstance(text, str):
        raise InvalidRequest(f"prompt: expected a string, got {text!r} as item {index}")
    if not text:
        raise EmptyPrompt(f"prompt: expected at least one character, got the empty string as item {index}")
    return Text(text, has_special=True)


def _token_list(input_ids: object) -> Sequence[object]:
    """A list of token ids, or of such lists, from one or from an array of any library that has `tolist`."""
    to_list = getattr(input_ids, "tolist", None)
    given: object = to_list() if callable(to_list) else input_ids
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise InvalidRequest(f"input_ids: expected a list of token ids, or a list of such lists, got {input_ids!r}")
    return given


def _tokens(row: object, index: int) -> Tokens:
    is_row = callable(getattr(row, "tolist", None)) or (isinstance(row, Sequence) and not isinstance(row, str | bytes))
    ids = _token_list(row) if is_row else []
    if not is_row or not all(_is_token_id(each) for each in ids):
        raise InvalidRequest(f"input_ids: expected lists of integers, got {row!r} as item {index}")
    if not ids:
        raise EmptyPrompt(f"input_ids: expected at least one token, got an empty list as item {index}")
    return Tokens(tuple(operator.index(each) for each in ids if isinstance(each, SupportsIndex)))


def _is_token_id(value: object) -> bool:
    """An integer of any library; True and False are none."""
    return isinstance(value, SupportsIndex) and not isinstance(value, bool) and not hasattr(value, "__len__")
