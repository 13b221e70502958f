"""GenArguments: the keyword arguments of `gen`, for those who pass them on."""

from collections.abc import Mapping, Sequence

from ...grammar.spec import Constraint
from ..ir import ChoicesMethod
from .constraint_arguments import DType
from .sampling_arguments import SingleSamplingArguments


class GenArguments(SingleSamplingArguments, total=False):
    """What `gen` takes besides `name`, `n` and `type`; None is as if it were not given."""

    max_tokens: int | None
    dtype: DType | None
    choices: Sequence[str] | None
    choices_method: ChoicesMethod | None
    regex: str | None
    json_schema: Mapping[str, object] | str | type | None
    ebnf: str | None
    lark: str | None
    constraint: Constraint | None
    prediction: str | None
