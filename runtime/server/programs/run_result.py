"""run_result: one reply for a run of a program: the texts and the values of its branches."""

from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response

from ....lang.events import Closing, GenResult, ScoreResult, SelectResult, TextDelta, ValueReady
from ....lang.plan import Plan
from .plan_events import plan_events
from .plan_work import PlanWork


class BranchResult:
    """What came of one branch, as it comes."""

    def __init__(self, plan: Plan, index: int) -> None:
        self._branch = plan.branches[index]
        self._index = index
        self._texts: list[str] = []
        self._closing = ""
        self.values: dict[str, object] = {}
        """The text of each value by its name; of several samples a list, of a score its log-probability."""
        self._details: list[dict[str, object]] = []

    def hear(self, event: object) -> None:
        """Take in one event."""
        match event:
            case TextDelta(text=text):
                self._texts.append(text)
                self._closing = ""
            case Closing(text=text):
                self._closing = text
            case ValueReady(operation_index=step, name=name, result=result):
                self.values[name] = _text_of(result)
                self._details.append({"step": step, "name": name, "kind": _kind_of(result), "result": result})

    def body(self) -> dict[str, object]:
        """As the reply shows it; `text` is what it added since it was forked."""
        return {
            "index": self._index,
            "label": self._branch.label,
            "parent": self._branch.parent,
            "text": "".join(self._texts) + self._closing,
            "values": self.values,
            "details": self._details,
        }


async def run_result(plan_work: PlanWork, request_id: str | None) -> Response:
    """Run to the end. Raises what stopped the first branch that did not come to its end."""
    plan = plan_work.plan
    branches = [BranchResult(plan, index) for index in range(len(plan.branches))]
    running = plan_work.parts.running
    with running.enter("/v1/programs", request_id=request_id, tenant=plan_work.tenant) as work:
        events = plan_events(
            plan_work.parts, plan, seed=plan_work.seed, cache_salt=plan_work.cache_salt, terms=plan_work.terms
        )
        async with aclosing(events):
            async for index, event in events:
                branches[index].hear(event)
    values: dict[str, object] = {}
    for index, result in enumerate(branches):
        if plan.branches[index].parent is None:
            values.update(result.values)
    body: dict[str, Any] = {
        "id": work.request_id,
        "object": "program.run",
        "program": plan_work.program,
        "name": plan.name,
        "values": values,
        "branches": [result.body() for result in branches],
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


def _text_of(result: object) -> object:
    match result:
        case SelectResult(choice=choice):
            return choice
        case ScoreResult(logprob=logprob):
            return logprob
        case (GenResult(text=text),):
            return text
        case tuple():
            return [sample.text for sample in result if isinstance(sample, GenResult)]
        case _:
            raise AssertionError(f"no result of an operation: {result}")


def _kind_of(result: object) -> str:
    return "select" if isinstance(result, SelectResult) else "score" if isinstance(result, ScoreResult) else "gen"
