"""An engine in which whatever may be right is guessed and checked, whatever it costs: so no test hangs on a clock."""

from palmette.runtime.assembly import EngineParts
from palmette.runtime.config import EngineConfig
from palmette.runtime.speculation.model_drafts import ModelDrafts
from palmette.runtime.speculation.speculator import Speculator
from palmette.runtime.speculation.step_cost import StepCost

FREE_PASSES = StepCost((1, 10_000), (0.001, 0.001))
"""Of a draft model: a thousandth of what a pass of the target takes."""

ONE_SECOND = StepCost((1, 10_000), (1.0, 1.0))
"""Of the target, however many tokens it computes."""


def model_config(**options: object) -> EngineConfig:
    """Sprig in a small pool."""
    return EngineConfig.from_options(max_total_tokens=8192, num_compile_workers=0, **options)  # type: ignore[arg-type] # any


def guess_freely(parts: EngineParts) -> Speculator:
    """Take all that decides by time out of an engine's guessing."""
    speculator = parts.core._speculator
    assert speculator is not None
    speculator._cost = speculator._worth.cost = ONE_SECOND
    speculator.clock = lambda: 0.0
    for drafter in speculator._drafters:
        if isinstance(drafter, ModelDrafts):
            drafter.depth.draft_cost, drafter.depth.target_cost = FREE_PASSES, ONE_SECOND
            drafter._clock = lambda: 0.0
    return speculator


def model_drafts(speculator: Speculator) -> ModelDrafts:
    """The draft model's source."""
    (drafts,) = [each for each in speculator._drafters if isinstance(each, ModelDrafts)]
    return drafts
