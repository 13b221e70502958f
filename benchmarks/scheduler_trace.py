"""A trace for the scheduler: requests of several tenants whose prompts share prefixes within prefixes."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class TraceRequest:
    """One request: when it comes, on whose account, what it says, and how much is written after it."""

    step: int
    tenant: str
    token_ids: tuple[int, ...]
    num_to_write: int


@dataclass(frozen=True)
class TraceShape:
    """How a trace is made.

    A prompt is the text of an application, one of its templates, perhaps the turns of a conversation so far, and a
    question of its own. Applications and templates are chosen unevenly, as people choose (by Zipf's law); some prompts
    share nothing with any other.
    """

    num_requests: int = 2000
    num_tenants: int = 4
    num_applications: int = 12
    num_templates: int = 6
    num_conversations: int = 8
    application_len: int = 400
    template_len: int = 200
    turn_len: int = 60
    question_len: int = 40
    num_to_write: int = 24
    requests_per_step: float = 1.0
    loud_share: float = 0.4
    """Share of the requests that the first tenant sends."""
    unique_share: float = 0.1
    """Share of the requests that share nothing."""


def make_trace(shape: TraceShape, seed: int = 1) -> list[TraceRequest]:
    """The requests in order of arrival; the same for the same seed."""
    source = random.Random(seed)

    def text(name: str, length: int) -> tuple[int, ...]:
        words = random.Random(f"{seed} {name}")
        return tuple(words.randrange(1 << 20) for _ in range(length))

    requests = []
    step = 0.0
    for number in range(shape.num_requests):
        step += source.expovariate(shape.requests_per_step)
        own = text(f"question {number}", source.randint(1, 2 * shape.question_len))
        if source.random() < shape.unique_share:
            prompt = text(f"unique {number}", shape.application_len) + own
        else:
            application = _zipf(source, shape.num_applications)
            template = _zipf(source, shape.num_templates)
            prompt = text(f"application {application}", shape.application_len)
            prompt += text(f"template {application} {template}", shape.template_len)
            if source.random() < 0.5:
                conversation = source.randrange(shape.num_conversations)
                for turn in range(source.randint(1, 6)):
                    prompt += text(f"turn {application} {template} {conversation} {turn}", shape.turn_len)
            prompt += own
        is_loud = source.random() < shape.loud_share
        tenant = "tenant 0" if is_loud else f"tenant {source.randrange(1, max(2, shape.num_tenants))}"
        num_to_write = source.randint(1, 2 * shape.num_to_write)
        requests.append(TraceRequest(int(step), tenant if shape.num_tenants > 1 else "", prompt, num_to_write))
    return requests


def _zipf(source: random.Random, num_choices: int) -> int:
    return source.choices(range(num_choices), [1 / (rank + 1) for rank in range(num_choices)])[0]
