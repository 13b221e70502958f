"""OutputCheck: whether a finished text is what its constraint asks for, found out a second time and another way."""

from collections.abc import Sequence
from functools import lru_cache

from ..grammar.guards.json_value_reader import read_json
from ..grammar.guards.validator import is_valid
from ..grammar.json_schema.document import SchemaDocument
from ..grammar.matcher import CompiledGrammar
from ..grammar.spec import Constraint, JsonSchema
from .errors import ConstraintViolated


class OutputCheck:
    """The check of one generation's samples, where the engine's option `validate_output` asks for it.

    The tokens are walked through a matcher that has seen nothing yet; JSON is parsed, too, and validated by its schema.
    Where one of them says no, something that enforced the constraint is at fault.
    """

    def __init__(self, constraint: Constraint, grammar: CompiledGrammar) -> None:
        self._constraint = constraint
        self._grammar = grammar

    def check(self, text: str, token_ids: Sequence[int]) -> None:
        """Check a text that was ended and not cut; `token_ids`: those it is made of. O(tokens), and JSON's validation.

        Raises: ConstraintViolated.
        """
        matcher = self._grammar.new_matcher()
        for index, token_id in enumerate(token_ids):
            if not matcher.accept(token_id):
                raise ConstraintViolated(text, f"its token {index} ({token_id}) is not allowed after those before it")
        if not matcher.is_completed:
            raise ConstraintViolated(text, "it is not complete")
        if isinstance(self._constraint, JsonSchema):
            _check_json(self._constraint.schema, text)


def _check_json(schema: str, text: str) -> None:
    try:
        value = read_json(text)
    except ValueError as error:
        raise ConstraintViolated(text, f"it is no JSON: {error}") from error
    document = _document(schema)
    if not is_valid(document, document.root, value):
        raise ConstraintViolated(text, "it is not valid by the schema")


@lru_cache(maxsize=64)
def _document(schema: str) -> SchemaDocument:
    return SchemaDocument(schema)
