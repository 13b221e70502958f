"""First-token and whole-text scores of choices, from the log-probabilities that an endpoint gives."""

import math
from collections.abc import Sequence

from ..events import SelectResult
from ..ir import Select
from .errors import EndpointLimit
from .openai_reply import Choice, Reply

NUM_ALTERNATIVES = 20
"""As many as OpenAI gives."""


def check_select(select: Select) -> None:
    """Raise `EndpointLimit` where probabilities of an endpoint cannot decide it."""
    if select.method == "unconditional_likelihood_normalized":
        raise EndpointLimit(
            f"select {select.name!r}: expected another method, got {select.method!r}, which needs scores "
            "of texts without a prompt; leave the method out"
        )
    if select.temperature > 0:
        raise EndpointLimit(
            f"select {select.name!r}: expected temperature 0, got {select.temperature}: a draw would "
            "need the probabilities of all choices, which an endpoint does not give"
        )


def by_first_token(select: Select, choice: Choice) -> SelectResult:
    """The choice whose first token is the likeliest; of a chat, which tells no more.

    A choice that is not among the alternatives is given the least of their log-probabilities, which it cannot exceed.
    Raises: EndpointLimit where no choice is among them, or where two begin with the same token.
    """
    content = None if choice.logprobs is None else choice.logprobs.content
    if not content:
        raise EndpointLimit(
            f"select {select.name!r}: expected log-probabilities from the endpoint, got none; it cannot select"
        )
    first = content[0]
    alternatives = {first.token: first.logprob} | {each.token: each.logprob for each in first.top_logprobs}
    found: dict[str, list[float]] = {each: [] for each in select.choices}
    for token, logprob in alternatives.items():
        text = token.lstrip()
        fitting = [each for each in select.choices if text and each.lstrip().startswith(text)]
        if len(fitting) > 1:
            raise EndpointLimit(
                f"select {select.name!r}: expected choices whose first tokens differ, got {fitting[0]!r} and "
                f"{fitting[1]!r}, which both begin with {token!r}; an endpoint tells the probability of one token"
            )
        for each in fitting:
            found[each].append(logprob)
    if not any(found.values()):
        raise EndpointLimit(
            f"select {select.name!r}: expected one of the choices to be likely, got none among the "
            f"{len(alternatives)} likeliest first tokens ({', '.join(map(repr, list(alternatives)[:5]))}, ...); tell "
            "the model in the prompt to answer with one of them"
        )
    least = min(alternatives.values())
    logprobs = [_log_sum(found[each]) if found[each] else least for each in select.choices]
    return _result(select, logprobs, logprobs)


def by_echo(select: Select, prompt: str, reply: Reply) -> SelectResult:
    """The choice that is likeliest as a whole; of /v1/completions, which echoes prompts with their probabilities."""
    logprobs: list[float] = []
    scores: list[float] = []
    for text, choice in zip(select.choices, sorted(reply.choices, key=lambda each: each.index), strict=True):
        found = choice.logprobs
        if found is None or found.token_logprobs is None or found.text_offset is None:
            raise EndpointLimit(
                f"select {select.name!r}: expected log-probabilities of the prompt from the endpoint, got "
                "none; it cannot select"
            )
        end = len(prompt) + len(text)
        own = [
            logprob
            for logprob, offset in zip(found.token_logprobs, found.text_offset, strict=True)
            if len(prompt) <= offset < end and logprob is not None
        ]
        if not own:
            raise EndpointLimit(
                f"select {select.name!r}: expected tokens of its own for the choice {text!r}, got one "
                "that the prompt's end is part of; begin the choice with a blank, or the prompt without"
            )
        logprobs.append(math.fsum(own))
        scores.append(logprobs[-1] / len(own) if select.method == "token_length_normalized" else own[0])
    return _result(select, logprobs, scores)


def _result(select: Select, logprobs: Sequence[float], scores: Sequence[float]) -> SelectResult:
    best = max(range(len(scores)), key=lambda index: scores[index])
    total = _log_sum(logprobs)
    return SelectResult(
        choice=select.choices[best],
        choices=select.choices,
        scores=tuple(scores),
        logprobs=tuple(logprobs),
        probabilities=tuple(math.exp(each - total) for each in logprobs),
        token_logprobs=tuple(() for _ in select.choices),
        prompt_tokens=0,
        cached_tokens=0,
    )


def _log_sum(logprobs: Sequence[float]) -> float:
    highest = max(logprobs)
    return highest + math.log(math.fsum(math.exp(each - highest) for each in logprobs))
