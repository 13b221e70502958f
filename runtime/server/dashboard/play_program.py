"""The playground's programs: a plan that somebody writes there, and the stream of what its branches do."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from ....lang.events import Event, Forked, GenResult, ScoreResult, SelectResult, TextDelta, ValueReady
from ....lang.ir import Gen
from ....lang.plan import Plan, PlanBranch, Step
from ....lang.terms import DEFAULT_TERMS
from ...text.tokenizer import Tokenizer
from ..event_stream import data_frame
from ..parameters import Parameter
from ..parts import ServerParts
from ..programs.plan_events import plan_events
from ..programs.register import check_registrable
from .play import rest_of_tokens, streamed_tokens
from .play_body import NUM_ALTERNATIVES


class PlayProgramBody(msgspec.Struct, forbid_unknown_fields=True):
    """A program and what it is called with."""

    plan: Plan
    """As `Plan.to_json()` or `palmette plan --json` writes it; what has a default may be left out."""
    arguments: dict[str, str | int | float | bool | None] = {}
    seed: int | None = None


_REASONS = {
    "plan": "the program, as `palmette plan --json` writes it; what has a default may be left out",
    "arguments": "a value for each of its open parameters",
    "seed": "the same program with the same seed has the same answers",
}

PLAY_PROGRAM_PARAMETERS = tuple(
    Parameter(name, "/dashboard/play/program", "supported", reason) for name, reason in _REASONS.items()
)


def play_plan(body: PlayProgramBody, parts: ServerParts) -> Plan:
    """The plan to run, which reports each token. Raises: ApiError, InvalidRequest, InvalidArgument."""
    check_registrable(body.plan, parts.settings)
    plan = body.plan.bind(body.arguments)
    return msgspec.structs.replace(plan, branches=tuple(_telling_branch(each) for each in plan.branches))


async def play_program(parts: ServerParts, plan: Plan, seed: int | None) -> AsyncGenerator[bytes, None]:
    """Frames `branches`, then `text`, `tokens`, `value` and `forked` of each branch, and `end`.

    Raises what stopped the first branch that did not come to its end.
    """
    num_sent: Counter[tuple[int, int]] = Counter()
    with parts.running.enter("/dashboard/play/program"):
        events = plan_events(parts, plan, seed=seed, terms=DEFAULT_TERMS, is_streaming=True)
        async with aclosing(events):
            labels: list[str] | None = [branch.label for branch in plan.branches]
            async for index, event in events:
                if labels is not None:  # with the first event: what is refused is refused before anything is told
                    yield data_frame({"type": "branches", "labels": labels})
                    labels = None
                for frame in _frames(parts.tokenizer, event, index, num_sent):
                    yield data_frame({"branch": index, **frame})
    yield data_frame({"type": "end"})


def _telling_branch(branch: PlanBranch) -> PlanBranch:
    return msgspec.structs.replace(branch, steps=tuple(_telling(step) for step in branch.steps))


def _telling(step: Step) -> Step:
    """The same step; a generation reports its tokens and their rivals."""
    if not isinstance(step, Gen):
        return step
    params = msgspec.structs.replace(step.params, return_logprob=True, top_logprobs_num=NUM_ALTERNATIVES)
    return msgspec.structs.replace(step, params=params)


def _frames(
    tokenizer: Tokenizer, event: Event, index: int, num_sent: Counter[tuple[int, int]]
) -> list[dict[str, object]]:
    match event:
        case TextDelta(name=None, text=text):
            return [{"type": "text", "text": text}]
        case TextDelta() if event.logprobs:
            num_sent[index, event.operation_index] += len(event.logprobs)
            return [{"type": "tokens", "name": event.name, "tokens": streamed_tokens(tokenizer, event)}]
        case Forked(operation_index=step):
            return [{"type": "forked", "step": step}]
        case ValueReady(name=name, result=SelectResult() as selection):
            rivals = list(zip(selection.choices, selection.probabilities, strict=True))
            return [{"type": "value", "name": name, "choice": selection.choice, "choices": rivals}]
        case ValueReady(name=name, result=ScoreResult() as score):
            return [{"type": "value", "name": name, "logprob": score.logprob}]
        case ValueReady(name=name, result=(GenResult() as result,)):
            rest = rest_of_tokens(tokenizer, result, num_sent[index, event.operation_index])
            tokens: list[dict[str, object]] = [{"type": "tokens", "name": name, "tokens": rest}] if rest else []
            return [*tokens, {"type": "value", "name": name, "text": result.text}]
        case ValueReady(name=name, result=tuple() as samples):
            return [{"type": "value", "name": name, "samples": [sample.text for sample in samples]}]
        case _:
            return []
