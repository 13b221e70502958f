"""Anchored expressions: what a pattern matches, apart by whether it must stand at the text's start or end."""

from collections.abc import Iterable
from itertools import product

from ..rules.char_set import ALL_CHARS
from ..rules.expression import EMPTY, NOTHING, Chars, Expression, Repeat, can_be_empty, concat, either

_ANYTHING = Repeat(Chars(ALL_CHARS), 0, None)
_Edges = tuple[bool, bool]


class Anchored:
    """Alternatives by (must begin the text, must end the text).

    `^a|b$` is {(True, False): a, (False, True): b}; `a^` is nothing, as something stands before its start.
    """

    def __init__(self, variants: dict[_Edges, Expression]) -> None:
        self._variants = {edges: expression for edges, expression in variants.items() if expression != NOTHING}

    @staticmethod
    def plain(expression: Expression) -> "Anchored":
        """What may stand anywhere."""
        return Anchored({(False, False): expression})

    @staticmethod
    def either(options: Iterable["Anchored"]) -> "Anchored":
        """Any one of them."""
        merged: dict[_Edges, list[Expression]] = {}
        for option in options:
            for edges, expression in option._variants.items():
                merged.setdefault(edges, []).append(expression)
        return Anchored({edges: either(found) for edges, found in merged.items()})

    def then(self, other: "Anchored") -> "Anchored":
        """This, then `other`: before what must begin the text, and after what must end it, only nothing may stand."""
        merged: dict[_Edges, list[Expression]] = {}
        for (left, before), (right, after) in product(self._variants.items(), other._variants.items()):
            if (right[0] and not can_be_empty(before)) or (left[1] and not can_be_empty(after)):
                continue
            joined = concat(EMPTY if right[0] else before, EMPTY if left[1] else after)
            merged.setdefault((left[0] or right[0], left[1] or right[1]), []).append(joined)
        return Anchored({edges: either(found) for edges, found in merged.items()})

    @property
    def expression(self) -> Expression | None:
        """What it matches, where that may stand anywhere; None where an edge matters."""
        if not self._variants:
            return NOTHING
        return self._variants.get((False, False)) if len(self._variants) == 1 else None

    def whole_texts(self) -> Expression:
        """The texts it matches as a whole."""
        return either(self._variants.values())

    def found_in(self) -> Expression:
        """The texts that hold a match."""
        return either(
            concat(EMPTY if at_start else _ANYTHING, expression, EMPTY if at_end else _ANYTHING)
            for (at_start, at_end), expression in self._variants.items()
        )


START = Anchored({(True, False): EMPTY})
END = Anchored({(False, True): EMPTY})
