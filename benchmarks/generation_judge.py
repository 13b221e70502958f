"""Judge: whether a generated text is valid by its schema, as the library `jsonschema` says, with exact numbers."""

import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jsonschema
import referencing.exceptions
from jsonschema.protocols import Validator


class CannotJudge(Exception):
    """The library cannot read the schema: a pattern that Python's `re` does not know, or a reference to elsewhere."""


def fault_of(schema: str, text: str) -> str | None:
    """What is wrong with `text`; None: it is JSON, and valid. Raises `CannotJudge`."""
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except ValueError as error:
        return f"not JSON: {error}"
    try:
        error = next(_validator(schema).iter_errors(value), None)
    except (re.error, referencing.exceptions.Unresolvable) as cause:
        raise CannotJudge(str(cause)) from cause
    return None if error is None else f"{error.json_path}, {error.validator}: {error.message[:200]}"


@lru_cache(maxsize=16)
def _validator(schema: str) -> Validator:
    read: Any = json.loads(schema, parse_float=Decimal)
    base = jsonschema.validators.validator_for(read, default=jsonschema.Draft202012Validator)
    exact = base.TYPE_CHECKER.redefine("integer", lambda _, value: _is_whole(value))
    judging = jsonschema.validators.extend(base, type_checker=exact)
    return judging(read, format_checker=base.FORMAT_CHECKER)


def _is_whole(value: object) -> bool:
    """Whether it is an integer, however it is written."""
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
