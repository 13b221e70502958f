"""with_choice: which samples call tools, where a turn is either calls, or an answer by a format of its own."""

import time
from contextlib import aclosing
from dataclasses import replace

from msgspec.structs import replace as changed

from ....grammar.spec import Reasoned
from ....grammar.tool_calls.call_format import format_of
from ....lang.events import ValueReady
from ....lang.ir import Gen
from ..parts import ServerParts
from .chat_job import ChatJob


async def with_choice(parts: ServerParts, job: ChatJob) -> ChatJob:
    """The same job, in which it is known of each sample what it is held to.

    No one grammar says "calls, or else JSON" so that both are what they would be alone. So the model is let begin its
    turn, free to call or to talk, by as many tokens as tell the one from the other. A sample that begins with a call
    goes on so; all others answer in the format that was asked for. Both start over after the prompt, which is cached by
    then, with the noise they had: a call begins as it began. Raises: ApiError.
    """
    calls = job.calls()
    if job.answer is None or calls is None:
        return replace(job, answer=None)
    started = time.monotonic()
    marks = sorted({format_of(calls.format).trigger_of(tool.name) for tool in calls.tools})
    num_tokens = max(len(parts.tokenizer.encode(mark, has_special=False)) for mark in marks)
    beginnings = replace(job, gens=tuple(_begun(gen, num_tokens) for gen in job.gens), answer=None, is_stream=False)
    texts = [""] * job.num_samples
    async with aclosing(beginnings.events(parts)) as events:
        async for sample, event in events:
            if isinstance(event, ValueReady) and isinstance(event.result, tuple):
                texts[sample] = event.result[0].text
    answer = job.answer if parts.reasoning is None else Reasoned(job.answer, parts.reasoning)
    calling = changed(calls, choice="required")
    gens = tuple(
        changed(gen, constraint=calling if _is_call(text, marks) else answer)
        for gen, text in zip(job.gens, texts, strict=True)
    )
    return replace(job, gens=gens, answer=None, terms=job.terms.after(time.monotonic() - started))


def _begun(gen: Gen, num_tokens: int) -> Gen:
    params = gen.params
    limit = min(num_tokens, params.max_new_tokens)
    return changed(
        gen,
        params=changed(
            params,
            max_new_tokens=limit,
            min_new_tokens=min(limit, params.min_new_tokens),
            return_logprob=False,
            top_logprobs_num=0,
        ),
    )


def _is_call(text: str, marks: list[str]) -> bool:
    """Under the constraint a text that begins with a mark is a call."""
    return any(text.startswith(mark) for mark in marks)
