"""Workloads: what both sides are asked to do, as plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

CountTokens = Callable[[str], int]


class Shape(Enum):
    """How a workload is written: which face of palmette a user would take for it."""

    PROMPTS = "prompts"
    """Plain prompts, for `Engine.generate`."""
    PROGRAMS = "programs"
    """One program, run on many inputs at once."""
    FORK = "fork"
    """One program that forks into one branch for each ending."""
    EXTRACTION = "extraction"
    """Chat programs that answer under a JSON schema."""


@dataclass(frozen=True)
class Workload:
    """Texts `prefix + ending`, each continued greedily by `num_tokens` tokens (fewer where the schema ends them)."""

    name: str
    title: str
    shape: Shape
    prefix: str
    endings: tuple[str, ...]
    num_tokens: int
    schema: str | None = None  # JSON text
    target_ratio: float | None = None
    """How many times faster than transformers palmette means to be, on 2 CPU cores."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """The whole texts."""
        return tuple(self.prefix + ending for ending in self.endings)


@dataclass(frozen=True)
class Size:
    """How large the workloads are."""

    single_tokens: int
    batch_tokens: int
    num_programs: int
    prefix_len: int  # tokens
    program_tokens: int
    num_branches: int
    fork_prompt_len: int  # tokens
    branch_tokens: int
    num_extractions: int


SIZES = {
    "full": Size(256, 128, 16, 1000, 32, 8, 500, 32, 8),
    "quick": Size(48, 24, 8, 400, 8, 8, 200, 8, 4),
    "tiny": Size(4, 3, 3, 40, 2, 3, 30, 2, 1),
}

PERSON_SCHEMA = (
    '{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, '
    '"city": {"type": "string"}}, "required": ["name", "age", "city"], "additionalProperties": false}'
)
_EXTRACTION_TOKENS = 64

_STARTS = (
    "The capital of France is",
    "Once upon a time there was a small village by the river, and in it",
    "The days of the week are",
    "A good breakfast",
    "Here is a list of colours and the things that have them: the sky is blue, grass is green,",
    "To plant a tree, first",
    "Question: what is the opposite of warm? Answer:",
    "In winter the children like to",
)
_PEOPLE = (
    "Mira Tolven is 34 years old and lives in Oslo.",
    "In Lisbon we met Daro Kesting, who is 61.",
    "Our new colleague, Elin Varga, 27, has just moved to Prague.",
    "Tobin Marsh (45) has been a baker in Dublin for years.",
    "At the age of 52, Sanna Orlik opened a small shop in Vienna.",
    "My neighbour Jorun Peltz is 38; he comes from Bergen.",
    "Living in Madrid, Ilka Romero has turned 29 this week.",
    "The winner is Pavo Lindqvist from Helsinki, aged 70.",
)
_GOODS = ("lamp", "kettle", "chair", "basket", "mirror", "clock", "carpet", "bench", "ladder", "bucket")
_COLOURS = ("red", "green", "blue", "white", "black", "brown", "yellow", "grey")
_TIPS = (
    "sleep well",
    "save money",
    "learn a language",
    "keep a garden",
    "cook for friends",
    "travel light",
    "write letters",
    "stay healthy",
)


def make_workloads(size: Size, count_tokens: CountTokens) -> list[Workload]:
    """The five workloads; `count_tokens` is the model's tokenizer, to which the lengths refer."""
    catalogue = _catalogue(size.prefix_len, count_tokens)
    story = _catalogue(size.fork_prompt_len, count_tokens)
    goods = [_GOODS[index % len(_GOODS)] for index in range(size.num_programs)]
    return [
        Workload(
            "single_stream",
            f"single stream, {size.single_tokens} tokens",
            Shape.PROMPTS,
            "",
            _STARTS[1:2],
            size.single_tokens,
            target_ratio=1.5,
        ),
        Workload(
            "batch_of_8",
            f"batch of 8 prompts, {size.batch_tokens} tokens each",
            Shape.PROMPTS,
            "",
            _STARTS,
            size.batch_tokens,
            target_ratio=1.5,
        ),
        Workload(
            "shared_prefix",
            f"{size.num_programs} programs with one prefix of {size.prefix_len:,} tokens, {size.program_tokens} each",
            Shape.PROGRAMS,
            catalogue,
            tuple(f"Question {index}: what does the {good} cost?\nAnswer:" for index, good in enumerate(goods, 1)),
            size.program_tokens,
            target_ratio=5,
        ),
        Workload(
            "fork",
            f"{size.num_branches}-way fork after {size.fork_prompt_len:,} tokens, {size.branch_tokens} each",
            Shape.FORK,
            story,
            tuple(f"How to {tip}:" for tip in _TIPS[: size.num_branches]),
            size.branch_tokens,
            target_ratio=4,
        ),
        Workload(
            "json_extraction",
            f"{size.num_extractions} extractions under a JSON schema",
            Shape.EXTRACTION,
            "Extract name, age, city as JSON.\n\n",
            _PEOPLE[: size.num_extractions],
            _EXTRACTION_TOKENS,
            schema=PERSON_SCHEMA,
        ),
    ]


def _catalogue(num_tokens: int, count_tokens: CountTokens) -> str:
    """A price list of `num_tokens` tokens or a few more."""
    text = "Price list of the house.\n"
    index = 0
    while count_tokens(text) < num_tokens:
        good, colour = _GOODS[index % len(_GOODS)], _COLOURS[index % len(_COLOURS)]
        text += f"No. {index + 1}: the {colour} {good} costs {(37 * index) % 91 + 9} dollars.\n"
        index += 1
    return text
