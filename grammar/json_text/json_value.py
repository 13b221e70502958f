"""Json: a JSON value in Python, its numbers exact."""

from decimal import Decimal
from typing import TypeAlias

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"
"""Whole numbers are `int` whatever way they are written, others `Decimal`."""
