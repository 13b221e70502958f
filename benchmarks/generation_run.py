"""Generation run: what the embedded model writes under schemas, many at a time, and what became of each text."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from generation_cases import Case
from generation_judge import CannotJudge, fault_of

from palmette.grammar.errors import GrammarError
from palmette.runtime.errors import ConstraintDeadEnd, EngineError
from palmette.runtime.local.embedded import Engine

PROMPT = "An example as JSON:\n"

End = Literal["valid", "unjudged", "cut", "exhausted", "error", "invalid"]
"""`unjudged`: whole JSON, by a schema that the judge cannot read."""


@dataclass(frozen=True)
class Attempt:
    """One generation: how it ended, and `note`, what was wrong."""

    case: Case
    seed: int
    end: End
    text: str = ""
    note: str = ""
    token_ids: tuple[int, ...] = ()
    num_rollbacks: int = 0
    num_tokens_taken_back: int = 0
    masked_log_mass: float = 0.0


def generate(
    engine: Engine,
    cases: Sequence[Case],
    seeds: Sequence[int],
    *,
    max_new_tokens: int = 400,
    num_running: int = 32,
    tell: Callable[[Attempt], None] = lambda _: None,
) -> list[Attempt]:
    """Write one text for each case and seed, at temperature 1, `num_running` at a time; `tell` hears of each."""

    async def run() -> list[Attempt]:
        places = asyncio.Semaphore(num_running)

        async def one(case: Case, seed: int) -> Attempt:
            async with places:
                attempt = await _attempt(engine, case, seed, max_new_tokens)
            tell(attempt)
            return attempt

        return await asyncio.gather(*(one(case, seed) for case in cases for seed in seeds))

    return asyncio.run(run())


async def _attempt(engine: Engine, case: Case, seed: int, max_new_tokens: int) -> Attempt:
    params = {"temperature": 1.0, "max_new_tokens": max_new_tokens, "seed": seed, "json_schema": case.schema}
    try:
        output = await engine.async_generate(PROMPT, params)
    except ConstraintDeadEnd as error:
        return Attempt(case, seed, "exhausted", error.text, str(error), num_rollbacks=error.num_rollbacks)
    except (EngineError, GrammarError, RuntimeError, AssertionError, ValueError) as error:
        return Attempt(case, seed, "error", note=f"{type(error).__name__}: {error}")
    assert isinstance(output, dict), output
    meta, text = output["meta_info"], output["text"]
    end: End = "cut"
    note = ""
    if meta["finish_reason"]["type"] != "length":
        try:
            fault = fault_of(case.schema, text)
            end, note = ("valid", "") if fault is None else ("invalid", fault)
        except CannotJudge as error:
            end, note = "unjudged", str(error)
    return Attempt(
        case,
        seed,
        end,
        text,
        note,
        tuple(output["output_ids"]),
        meta["num_rollbacks"],
        meta["num_tokens_taken_back"],
        meta["masked_log_mass"],
    )
