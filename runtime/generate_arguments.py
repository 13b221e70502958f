"""From the arguments of `Engine.generate` to operations."""

import difflib
from collections.abc import Mapping, Sequence

from ..grammar.spec import Choice, Constraint
from ..lang.constraint_arguments import check_at_most_one, constraint_of
from ..lang.ir import Gen, Operation, Text, Tokens
from ..lang.sampling_arguments import set_fields
from ..lang.sampling_params import SamplingParams
from .errors import EmptyPrompt, InvalidRequest

_OTHER_NAMES = {"max_tokens": "max_new_tokens", "min_tokens": "min_new_tokens", "sampling_seed": "seed"}
_CONSTRAINTS = ("json_schema", "regex", "ebnf", "choices")
_FIELDS = frozenset(SamplingParams.__struct_fields__)

Job = list[Operation]


def gen_operations(
    prompt: str | Sequence[str] | None,
    sampling_params: Mapping[str, object] | Sequence[Mapping[str, object]] | None,
    input_ids: Sequence[int] | Sequence[Sequence[int]] | None,
    return_logprob: bool | Sequence[bool],
    top_logprobs_num: int | Sequence[int],
    logprob_start_len: int | Sequence[int | None] | None,
) -> tuple[list[Job], bool]:
    """One job, text and a generation, for each prompt; and whether a list was given.

    Raises: InvalidRequest, EmptyPrompt, InvalidArgument.
    """
    inputs, is_list = _inputs(prompt, input_ids)
    params = _for_each("sampling_params", {} if sampling_params is None else sampling_params, len(inputs))
    reports = {
        "return_logprob": _for_each("return_logprob", return_logprob, len(inputs)),
        "top_logprobs_num": _for_each("top_logprobs_num", top_logprobs_num, len(inputs)),
        "logprob_start_len": _for_each("logprob_start_len", logprob_start_len, len(inputs)),
    }
    jobs: list[Job] = []
    for index, given in enumerate(inputs):
        own = params[index]
        if not isinstance(own, Mapping):
            raise InvalidRequest(f"sampling_params: expected a dict, got {own!r} as item {index}")
        shared = {name: values[index] for name, values in reports.items()}
        sampling, constraint = read_sampling_params({**shared, **own})
        jobs.append([given, Gen("text", sampling, constraint)])
    return jobs, is_list


def _for_each(name: str, value: object, num_prompts: int) -> list[object]:
    """One value a prompt, from one for all or a list of one each."""
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        return [value] * num_prompts
    if len(value) != num_prompts:
        raise InvalidRequest(
            f"{name}: expected one for all or one for each of the {num_prompts} prompts, got {len(value)}"
        )
    return list(value)


def read_sampling_params(given: Mapping[str, object]) -> tuple[SamplingParams, Constraint | None]:
    """SamplingParams and a constraint, from a dict with SGLang's names.

    Raises: InvalidRequest for an unknown name, InvalidArgument for a wrong value or for two constraints.
    """
    named = {_OTHER_NAMES.get(name, name): value for name, value in given.items()}
    unknown = sorted(set(named) - _FIELDS - set(_CONSTRAINTS))
    if unknown:
        near = difflib.get_close_matches(unknown[0], [*_FIELDS, *_CONSTRAINTS], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(_FIELDS))}"
        raise InvalidRequest(f"sampling_params: there is no {unknown[0]!r}; {hint}")
    constraints = {name: named.pop(name, None) for name in _CONSTRAINTS}
    check_at_most_one(constraints)
    return SamplingParams(**set_fields(named)), _constraint(constraints)


def _constraint(given: Mapping[str, object]) -> Constraint | None:
    choices, schema, regex, ebnf = (given[name] for name in ("choices", "json_schema", "regex", "ebnf"))
    if choices is not None:
        if isinstance(choices, str) or not isinstance(choices, Sequence):
            raise InvalidRequest(f"choices: expected a list of strings, got {choices!r}")
        return Choice(tuple(choices))
    if schema is not None and not isinstance(schema, Mapping | str):
        raise InvalidRequest(f"json_schema: expected a dict or JSON text, got {schema!r}")
    if regex is not None and not isinstance(regex, str):
        raise InvalidRequest(f"regex: expected a string, got {regex!r}")
    if ebnf is not None and not isinstance(ebnf, str):
        raise InvalidRequest(f"ebnf: expected a string, got {ebnf!r}")
    return constraint_of(dtype=None, regex=regex, json_schema=schema, ebnf=ebnf)


def _inputs(
    prompt: str | Sequence[str] | None, input_ids: Sequence[int] | Sequence[Sequence[int]] | None
) -> tuple[list[Operation], bool]:
    if (prompt is None) == (input_ids is None):
        raise InvalidRequest("expected either prompt or input_ids, got " + ("neither" if prompt is None else "both"))
    inputs: list[Operation]
    if prompt is not None:
        is_list = not isinstance(prompt, str)
        texts = [prompt] if isinstance(prompt, str) else list(prompt)
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise InvalidRequest(f"prompt: expected a string, got {text!r} as item {index}")
            if not text:
                raise EmptyPrompt(f"prompt: expected at least one character, got the empty string as item {index}")
        inputs = [Text(text, has_special=True) for text in texts]
    else:
        assert input_ids is not None
        is_list = any(not isinstance(each, int) for each in input_ids)
        rows = input_ids if is_list else [input_ids]
        inputs = []
        for index, row in enumerate(rows):
            if isinstance(row, int) or not all(isinstance(each, int) for each in row):
                raise InvalidRequest(f"input_ids: expected lists of integers, got {row!r} as item {index}")
            if not row:
                raise EmptyPrompt(f"input_ids: expected at least one token, got an empty list as item {index}")
            inputs.append(Tokens(tuple(int(str(each)) for each in row)))
    if not inputs:
        raise EmptyPrompt("expected at least one prompt, got an empty list")
    return inputs, is_list
