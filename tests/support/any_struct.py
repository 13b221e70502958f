"""Any value of a type: msgspec structs and what they are made of, from their annotations."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from palmette.lang.sampling_params import SamplingParams
from palmette.lang.terms import Terms

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBERS = st.floats(allow_nan=False)
POSITIVE = st.floats(0, 1e6, exclude_min=True)

PARAMS = st.builds(
    SamplingParams,
    max_new_tokens=st.integers(2, 9),
    min_new_tokens=st.integers(0, 2),
    n=st.integers(1, 3),
    temperature=st.integers(0, 2) | st.floats(0, 2),
    top_k=st.none() | st.integers(1, 9),
    logit_bias=st.dictionaries(st.integers(0, 99), st.floats(-5, 5), max_size=2),
    seed=st.none() | st.integers(0, 2**64 - 1),
    stop=st.lists(TEXT.filter(bool), max_size=2).map(tuple),
    return_logprob=st.booleans(),
    logprob_start_len=st.none() | st.integers(0, 9),
    token_healing=st.booleans(),
)
TERMS = st.builds(
    Terms,
    priority=st.integers(-9, 9),
    tenant=TEXT,
    queue_timeout_s=st.none() | POSITIVE,
    timeout_s=st.none() | POSITIVE,
)
_KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**64 - 1),
    float: NUMBERS,
    bool: st.booleans(),
    str: TEXT,
    NoneType: st.none(),
    Any: st.none() | st.booleans() | st.integers(0, 9) | TEXT | st.lists(st.integers(0, 9), max_size=2),
    Path: TEXT.map(Path),
    SamplingParams: PARAMS,
    Terms: TERMS,
}


@cache
def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of `kind`; recursive types are followed as they are drawn."""
    if kind in _KNOWN:
        return _KNOWN[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of([any_of(each) for each in args])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        if args[-1] is Ellipsis:
            return st.lists(st.deferred(lambda: any_of(args[0])), max_size=2).map(tuple)
        return st.tuples(*(any_of(each) for each in args))
    if origin in (dict, Mapping) or (origin is not None and issubclass(origin, Mapping)):
        return st.dictionaries(any_of(args[0]), any_of(args[1]), max_size=2)
    assert is_dataclass(kind) or issubclass(kind, msgspec.Struct), kind
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else list(kind.__struct_fields__)
    return st.deferred(lambda: st.builds(kind, **{name: any_of(hints[name]) for name in names}))
