"""CompletionJob: a request to `/v1/completions`, read and checked, and the samples that come of it."""

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from ....grammar.errors import GrammarError
from ....lang.events import Event, FinishReason, GenResult
from ....lang.ir import Gen, Tokens
from ....lang.terms import Terms
from ..api_error import ApiError, api_error, refused
from ..constraints import text_constraint
from ..merged import merged
from ..parts import ServerParts
from ..sampling import new_token_limit, num_samples, request_terms, sampling_params, seed_of
from ..work import run_samples
from .chat_messages import too_long
from .completion_types import CompletionRequest
from .models import check_model

_DEFAULT_MAX_TOKENS = 16
"""OpenAI's."""


@dataclass(frozen=True)
class CompletionPrompt:
    """One prompt: its tokens, its text where that is to be echoed, and what is to be generated."""

    token_ids: tuple[int, ...]
    text: str
    gen: Gen


@dataclass(frozen=True)
class CompletionJob:
    """What becomes of a request; all that can be wrong with it, but for its constraint, has been found out."""

    reply_id: str
    created: int
    model: str
    prompts: tuple[CompletionPrompt, ...]
    num_samples: int
    terms: Terms
    cache_salt: str
    seed: int | None
    constraint_param: str | None
    is_prefill: bool
    """Nothing is to be generated: what is, one token, is thrown away."""
    is_echo: bool
    num_logprobs: int | None
    is_stream: bool
    has_usage: bool

    def prompt_of(self, choice: int) -> CompletionPrompt:
        """The prompt of a choice; each has all its samples one after another."""
        return self.prompts[choice // self.num_samples]

    async def events(self, parts: ServerParts) -> AsyncGenerator[tuple[int, Event], None]:
        """(choice, event), to be read under `contextlib.aclosing`. Raises: ApiError."""
        sources = [
            run_samples(
                parts,
                [Tokens(prompt.token_ids)],
                prompt.gen,
                self.num_samples,
                terms=self.terms,
                cache_salt=self.cache_salt,
                seed=None if self.seed is None else (self.seed + index) % 2**64,
                is_streaming=self.is_stream,
            )
            for index, prompt in enumerate(self.prompts)
        ]
        try:
            async with aclosing(merged(sources)) as events:
                async for index, (sample, event) in events:
                    yield index * self.num_samples + sample, event
        except Exception as error:
            param = self.constraint_param if isinstance(error, GrammarError) else None
            raise api_error(error, param or "prompt") from error

    def shown(self, result: GenResult) -> GenResult:
        """A result as it is answered."""
        if not self.is_prefill:
            return result
        logprobs = None if result.output_logprobs is None else ()
        return msgspec.structs.replace(
            result, text="", token_ids=(), output_logprobs=logprobs, finish_reason=FinishReason("length")
        )


def completion_job(parts: ServerParts, body: CompletionRequest, tenant: str) -> CompletionJob:
    """Read and check a request and tokenise its prompts; to be called in a thread. Raises: ApiError."""
    settings = parts.settings
    check_model(parts, body.model)
    token_ids = _prompts(parts, body.prompt)
    number = num_samples(body, settings.limits, len(token_ids))
    if body.suffix:
        raise ApiError(
            400,
            "suffix: not supported: the model does not fill in what is between two texts",
            param="suffix",
            code="unsupported_parameter",
        )
    if body.best_of not in (None, body.n or 1):
        raise refused("best_of", "the value of n, or null", body.best_of, "say n, and choose among the samples")
    if body.stream_options is not None and not body.stream:
        raise refused("stream_options", "stream to be true with it", msgspec.to_builtins(body.stream_options))
    if body.logprobs is not None and body.logprobs > settings.limits.max_logprobs:
        raise refused("logprobs", f"at most {settings.limits.max_logprobs}", body.logprobs)
    constraint = text_constraint(body, body.response_format, settings.limits)
    is_prefill = body.max_tokens == 0
    asked = 1 if is_prefill else _DEFAULT_MAX_TOKENS if body.max_tokens is None else body.max_tokens
    prompts: list[CompletionPrompt] = []
    for ids in token_ids:
        limit = new_token_limit(asked, "prompt", len(ids), parts.context_len, settings.defaults)
        params = sampling_params(body, settings.limits, limit, num_logprobs=body.logprobs)
        if body.echo and body.logprobs is not None:
            params = msgspec.structs.replace(params, logprob_start_len=0)
        text = parts.tokenizer.decode(ids, skip_special_tokens=False, is_start=True) if body.echo else ""
        prompts.append(
            CompletionPrompt(ids, text, Gen("text", params, None if constraint is None else constraint.constraint))
        )
    return CompletionJob(
        reply_id=f"cmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=parts.model_name,
        prompts=tuple(prompts),
        num_samples=number,
        terms=request_terms(body, tenant, settings.defaults),
        cache_salt=body.cache_salt or "",
        seed=seed_of(body),
        constraint_param=None if constraint is None else constraint.param,
        is_prefill=is_prefill,
        is_echo=bool(body.echo),
        num_logprobs=body.logprobs,
        is_stream=bool(body.stream),
        has_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
    )


def _prompts(parts: ServerParts, given: str | list[str | int | list[int]]) -> list[tuple[int, ...]]:
    """The token ids of each prompt."""
    listed: list[str | list[int]]
    most = max(parts.context_len, parts.settings.limits.max_prompts)
    if not isinstance(given, str) and len(given) > most:  # neither so many tokens nor so many prompts are taken
        raise refused("prompt", f"at most {most} token ids or prompts", len(given))
    if isinstance(given, str):
        listed = [given]
    else:
        flat = [each for each in given if isinstance(each, int)]
        listed = [each for each in given if not isinstance(each, int)]
        if flat and listed:
            raise refused("prompt", "a text, token ids, or a list of either", "a mixture")
        listed = listed or [flat]
    limits = parts.settings.limits
    if len(listed) > limits.max_prompts:
        raise refused("prompt", f"at most {limits.max_prompts} prompts", len(listed))
    prompts = []
    for index, each in enumerate(listed):
        if not each:
            raise refused(f"prompt[{index}]" if len(listed) > 1 else "prompt", "at least one token", each)
        if isinstance(each, str) and len(each) > parts.max_text_bytes:
            raise too_long("prompt", len(each.encode()), parts)
        ids = parts.tokenizer.encode(each, has_special=True, is_start=True) if isinstance(each, str) else each
        wrong = next((token_id for token_id in ids if token_id >= parts.tokenizer.vocab_size), None)
        if wrong is not None:
            raise ApiError(
                400,
                f"prompt: expected token ids below {parts.tokenizer.vocab_size}, got {wrong}",
                param="prompt",
                code="invalid_value",
            )
        prompts.append(tuple(ids))
    return prompts
