"""/v1/decisions: questions of one input, answered by the probabilities of a few labels: `select` over HTTP."""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import aclosing

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ....lang.events import SelectResult, ValueReady
from ....lang.ir import RoleBegin, RoleEnd, Select, Text
from ....lang.plan import Branching, Plan, PlanBranch, Step
from ....lang.terms import Terms
from ..api_error import refused
from ..bodies import documented, read_body
from ..openai.models import check_model, json_response
from ..parts import ServerParts
from ..programs.plan_events import plan_events
from ..work import unless_gone
from .decision import Decision, asked, decision_of, labels_of
from .decision_types import PATH, DecisionsBody


def router(parts: ServerParts) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["native"])

    @routes.post(PATH, summary="Answers among a few labels", openapi_extra=documented(DecisionsBody))
    async def decide(request: Request) -> Response:
        body = await read_body(request, DecisionsBody, parts.settings.limits)
        check_model(parts, body.model)
        limit = parts.settings.limits.max_prompts
        if len(body.questions) > limit:
            raise refused("questions", f"at most {limit}", len(body.questions))
        labels = [labels_of(each, f"questions[{index}]") for index, each in enumerate(body.questions)]
        return json_response(await unless_gone(request, _answer(parts, body, labels, str(request.state.tenant))))

    return routes


async def _answer(
    parts: ServerParts, body: DecisionsBody, labels: Sequence[tuple[str, ...]], tenant: str
) -> dict[str, object]:
    defaults = parts.settings.defaults
    terms = Terms(
        priority=body.priority or 0,
        tenant=tenant,
        queue_timeout_s=defaults.queue_timeout_s if body.queue_timeout_s is None else body.queue_timeout_s,
        timeout_s=defaults.timeout_s if body.timeout_s is None else body.timeout_s,
    )
    plan = _plan(body, labels, has_roles=parts.chat_template is not None)
    results: dict[int, SelectResult] = {}
    with parts.running.enter(PATH, tenant=tenant):
        async with aclosing(plan_events(parts, plan, cache_salt=body.cache_salt or "", terms=terms)) as events:
            async for index, event in events:
                if isinstance(event, ValueReady) and isinstance(event.result, SelectResult):
                    results[index - 1] = event.result
    decisions: list[Decision] = [
        decision_of(index, question, labels[index], results[index]) for index, question in enumerate(body.questions)
    ]
    return {
        "id": f"decisions-{uuid.uuid4().hex}",
        "object": "decisions",
        "model": parts.model_name,
        "decisions": decisions,
        "usage": _usage(results.values()),
    }


def _plan(body: DecisionsBody, labels: Sequence[tuple[str, ...]], *, has_roles: bool) -> Plan:
    """One branch with the input, and one forked from it for each question."""
    start: list[Step] = []
    if body.instructions:
        start += _turn("system", body.instructions) if has_roles else [Text(f"{body.instructions}\n\n")]
    start += [RoleBegin("user")] if has_roles else []
    start.append(Text(f"{body.input}\n\n"))
    branches: list[PlanBranch] = []
    for question, each in zip(body.questions, labels, strict=True):
        text = asked(question, each)
        if has_roles:
            steps: list[Step] = [Text(text), RoleEnd("user"), RoleBegin("assistant"), Select("answer", each)]
        else:
            steps = [Text(f"{text}\nAnswer:"), Select("answer", tuple(f" {label}" for label in each))]
        branches.append(PlanBranch("question", 0, tuple(steps)))
    children = tuple(range(1, len(branches) + 1))
    root = PlanBranch("input", None, (*start, Branching(children)))
    return Plan("decisions", (), (root, *branches))


def _turn(role: str, text: str) -> list[Step]:
    return [RoleBegin(role), Text(text), RoleEnd(role)]


def _usage(results: Iterable[SelectResult]) -> dict[str, int]:
    """Of all questions, each with the whole input; what was found in the cache, the input above all, is in both."""
    listed = list(results)
    return {
        "prompt_tokens": sum(result.prompt_tokens for result in listed),
        "cached_tokens": sum(result.cached_tokens for result in listed),
    }
