"""ChatJob: a chat request, read and checked, as what is to be generated and how it is to be answered."""

import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import msgspec

from ....grammar.errors import GrammarError
from ....grammar.spec import Constraint, Reasoned, ToolCalls
from ....lang.events import Event
from ....lang.ir import Gen, Tokens
from ....lang.terms import Terms
from ...errors import ConstraintDeadEnd
from ..api_error import ApiError, api_error, refused
from ..chat_prompt import ChatPrompt
from ..constraints import NamedConstraint, text_constraint, tool_calls, tool_name
from ..parts import ServerParts
from ..request_fields import CustomTool
from ..sampling import check_token_ids, new_token_limit, num_samples, request_terms, sampling_params, seed_of
from ..turn_reader import TurnReader
from ..work import run_samples
from .chat_messages import chat_prompt
from .chat_types import ChatRequest, TextPart
from .models import check_model


@dataclass(frozen=True)
class ChatJob:
    """What becomes of a request; all that can be wrong with it, but for its constraint, has been found out."""

    reply_id: str
    created: int
    model: str
    prompt: ChatPrompt
    gens: tuple[Gen, ...]
    """What is generated, of each sample."""
    answer: Constraint | None
    """What a sample is held to that calls no tool, where that is still open; see `turn_choice`."""
    terms: Terms
    cache_salt: str
    seed: int | None
    custom_names: frozenset[str]
    constraint_param: str | None
    """The parameter that the constraint came in."""
    num_prediction_tokens: int
    """Of the guess at the reply."""
    is_stream: bool
    has_usage: bool
    """Whether a stream ends with what it took."""

    @property
    def gen(self) -> Gen:
        """Of the first sample; the samples differ in their constraints at most."""
        return self.gens[0]

    @property
    def num_samples(self) -> int:
        """How many replies there are to be."""
        return len(self.gens)

    def calls(self, sample: int = 0) -> ToolCalls | None:
        """The calls that a sample may hold; None where it is text."""
        constraint = self.gens[sample].constraint
        return constraint if isinstance(constraint, ToolCalls) else None

    def reader(self, sample: int = 0) -> TurnReader:
        """A new one for one sample."""
        return TurnReader(self.calls(sample), self.custom_names)

    async def events(self, parts: ServerParts) -> AsyncGenerator[tuple[int, Event], None]:
        """(sample, event), to be read under `contextlib.aclosing`. Raises: ApiError."""
        assert self.answer is None, "it must be known first which samples call tools"
        events = run_samples(
            parts,
            [Tokens(self.prompt.token_ids)],
            self.gens,
            self.num_samples,
            terms=self.terms,
            cache_salt=self.cache_salt,
            seed=self.seed,
            is_streaming=self.is_stream,
        )
        try:
            async for item in events:
                yield item
        except Exception as error:
            param = self.constraint_param if isinstance(error, GrammarError | ConstraintDeadEnd) else None
            raise api_error(error, param or "messages") from error
        finally:
            await events.aclose()


def chat_job(parts: ServerParts, body: ChatRequest, tenant: str, *, may_choose: bool = False) -> ChatJob:
    """Read and check a request, write its prompt and tokenise it; to be called in a thread.

    may_choose: whether a turn may be either calls or text by a format; whoever says so passes it to `turn_choice`.

    Raises: ApiError.
    """
    settings = parts.settings
    check_model(parts, body.model)
    _check_fields(parts, body)
    calls = tool_calls(
        body.tools or (),
        body.tool_choice,
        body.parallel_tool_calls,
        settings.limits,
        call_format=parts.call_format,
        reasoning=parts.reasoning,
    )
    text = text_constraint(body, body.response_format, settings.limits)
    constraint, param = _constraint(parts, calls, text)
    is_open = calls is not None and text is not None and calls.choice == "auto"
    if is_open and not may_choose:
        raise _two_constraints(param)
    prompt = chat_prompt(parts, body.messages, body.tools or (), calls)
    asked = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    limit = new_token_limit(asked, "messages", len(prompt.token_ids), parts.context_len, settings.defaults)
    params = sampling_params(
        body, settings.limits, limit, num_logprobs=(body.top_logprobs or 0) if body.logprobs else None
    )
    check_token_ids(params, parts.tokenizer.vocab_size)
    prediction = _prediction(body)
    return ChatJob(
        reply_id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=parts.model_name,
        prompt=prompt,
        gens=(Gen("reply", params, constraint, prediction),) * num_samples(body, settings.limits),
        answer=text.constraint if text is not None and is_open else None,
        terms=request_terms(body, tenant, settings.defaults),
        cache_salt=body.cache_salt or "",
        seed=seed_of(body),
        custom_names=frozenset(tool_name(tool) for tool in body.tools or () if isinstance(tool, CustomTool)),
        constraint_param=param,
        num_prediction_tokens=len(parts.tokenizer.encode(prediction, has_special=False)) if prediction else 0,
        is_stream=bool(body.stream),
        has_usage=body.stream_options is not None and bool(body.stream_options.include_usage),
    )


def _check_fields(parts: ServerParts, body: ChatRequest) -> None:
    """What hangs together with another field, or with the model."""
    if body.top_logprobs is not None and not body.logprobs:
        raise refused("top_logprobs", "logprobs to be true with it", body.top_logprobs)
    if body.stream_options is not None and not body.stream:
        raise refused("stream_options", "stream to be true with it", msgspec.to_builtins(body.stream_options))
    given = (body.max_tokens, body.max_completion_tokens)
    if None not in given and given[0] != given[1]:
        raise refused("max_tokens", "what max_completion_tokens says, or to be left out", body.max_tokens)
    if body.reasoning_effort not in (None, "none"):
        raise ApiError(
            400,
            f"reasoning_effort: the model {parts.model_name!r} does not know it; leave it out",
            param="reasoning_effort",
            code="unsupported_parameter",
        )
    if body.parallel_tool_calls is not None and not body.tools:
        raise refused("parallel_tool_calls", "tools with it", body.parallel_tool_calls)


def _constraint(
    parts: ServerParts, calls: ToolCalls | None, text: NamedConstraint | None
) -> tuple[Constraint | None, str | None]:
    """The constraint that a turn begins with, and the parameter that is at fault where it cannot be."""
    if calls is not None and calls.choice != "none":
        return calls, "tools" if text is None else text.param
    if text is not None:
        constraint = text.constraint
        return (constraint if parts.reasoning is None else Reasoned(constraint, parts.reasoning)), text.param
    return calls, "tools" if calls is not None else None


def _two_constraints(param: str | None) -> ApiError:
    message = f"{param}: a turn that may hold calls of tools cannot be held to it, too; say tool_choice 'none'"
    return ApiError(400, message, param=param, code="two_constraints")


def _prediction(body: ChatRequest) -> str | None:
    if body.prediction is None:
        return None
    content = body.prediction.content
    return content if isinstance(content, str) else "".join(part.text for part in content if isinstance(part, TextPart))
