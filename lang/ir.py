"""The operations a program is made of: frozen structs, plain data, with no model in sight."""

from typing import Literal

import msgspec

from ..grammar.spec import Constraint
from .sampling_params import SamplingParams

ChoicesMethod = Literal["token_length_normalized", "greedy_token_selection", "unconditional_likelihood_normalized"]


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Append `text`. With `has_special`, the model's special tokens spelt out in it are read as such."""

    text: str
    has_special: bool = False


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """Append token ids as they are."""

    token_ids: tuple[int, ...]


class Tool(msgspec.Struct, frozen=True):
    """A function the model may call; `parameters` is JSON Schema as JSON text."""

    name: str
    description: str
    parameters: str


class DeclareTools(msgspec.Struct, frozen=True, tag="declare_tools"):
    """Tell the chat template which tools exist; comes before the first role."""

    tools: tuple[Tool, ...]


class RoleBegin(msgspec.Struct, frozen=True, tag="role_begin"):
    """Open a turn of `role` (`system`, `user`, `assistant`, `tool`) in the model's own chat template."""

    role: str


class RoleEnd(msgspec.Struct, frozen=True, tag="role_end"):
    """Close the turn that is open."""

    role: str


class Gen(msgspec.Struct, frozen=True, tag="gen"):
    """Generate text into the variable `name`."""

    name: str
    params: SamplingParams = SamplingParams()
    constraint: Constraint | None = None
    prediction: str | None = None
    """What the text is expected to be, mostly. The answer does not depend on it, only how soon it comes."""


class Select(msgspec.Struct, frozen=True, tag="select"):
    """Append whichever of `choices` the model finds most likely, by `method`, and set the variable `name`.

    With `temperature` 0 the best choice wins; above 0 a choice is drawn with the noise of the branch.
    """

    name: str
    choices: tuple[str, ...]
    method: ChoicesMethod = "token_length_normalized"
    temperature: float = 0.0


class Score(msgspec.Struct, frozen=True, tag="score"):
    """Append `text` and report the log-probability of each of its tokens in the variable `name`."""

    name: str
    text: str


class Fork(msgspec.Struct, frozen=True, tag="fork"):
    """Make `num_children` branches that share everything so far."""

    num_children: int


class Join(msgspec.Struct, frozen=True, tag="join"):
    """Append to this branch what each of the branches `branch_ids` added since it was forked, in that order."""

    branch_ids: tuple[int, ...]


Operation = Text | Tokens | DeclareTools | RoleBegin | RoleEnd | Gen | Select | Score | Fork | Join
