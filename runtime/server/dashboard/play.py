"""The playground's stream: each token with its probability, its rivals, and whether anything else was allowed."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ....lang.events import GenResult, TextDelta, TokenLogprob, ValueReady
from ....lang.ir import Operation
from ...text.tokenizer import Tokenizer
from ..event_stream import data_frame
from ..parts import ServerParts
from ..work import run_generation


async def play(parts: ServerParts, operations: Sequence[Operation], seed: int | None) -> AsyncGenerator[bytes, None]:
    """Frames `prompt`, `tokens` and, at the end, `end`. Raises what the backend raises."""
    num_sent = 0
    prompt = ""  # told with the first token: what is refused is refused before anything is told
    with parts.running.enter("/dashboard/play"):
        async with aclosing(run_generation(parts, operations, seed=seed)) as events:
            async for event in events:
                match event:
                    case TextDelta(name=None):
                        prompt += event.text
                    case TextDelta() if event.logprobs:
                        if not num_sent:
                            yield data_frame({"type": "prompt", "text": prompt})
                        tokens = streamed_tokens(parts.tokenizer, event)
                        num_sent += len(tokens)
                        yield data_frame({"type": "tokens", "tokens": tokens})
                    case ValueReady(result=(GenResult() as result, *_)):
                        rest = rest_of_tokens(parts.tokenizer, result, num_sent)
                        if rest:
                            yield data_frame({"type": "tokens", "tokens": rest})
                        yield data_frame(_end(result))


def streamed_tokens(tokenizer: Tokenizer, event: TextDelta) -> list[dict[str, object]]:
    """The tokens of a piece of a generation that reports its log-probabilities."""
    forced = set(event.forced)
    return [_token(tokenizer, each, n in forced) for n, each in enumerate(event.logprobs)]


def rest_of_tokens(tokenizer: Tokenizer, result: GenResult, num_sent: int) -> list[dict[str, object]]:
    """The tokens that were not streamed: those without text, and all where the backend gave none before the end."""
    forced = set(result.forced)
    logprobs = result.output_logprobs or ()
    return [_token(tokenizer, each, n in forced) for n, each in enumerate(logprobs) if n >= num_sent]


def _token(tokenizer: Tokenizer, token: TokenLogprob, is_forced: bool) -> dict[str, object]:
    return {
        "id": token.token_id,
        "text": spell(tokenizer, token.token_id),
        "logprob": token.logprob,
        "forced": is_forced,
        "top": [[spell(tokenizer, token_id), logprob] for token_id, logprob in token.top],
    }


def _end(result: GenResult) -> dict[str, object]:
    return {
        "type": "end",
        "text": result.text,
        "finish_reason": result.finish_reason.type,
        "prompt_tokens": result.prompt_tokens,
        "cached_tokens": result.cached_tokens,
        "completion_tokens": result.completion_tokens,
        "num_forced": len(result.forced),
        "masked_log_mass": result.masked_log_mass,
        "num_rollbacks": result.num_rollbacks,
        "seed": str(result.seed),  # 64 bits, more than a number of JavaScript holds
    }


def spell(tokenizer: Tokenizer, token_id: int) -> str:
    """A token by itself; bytes that are part of a character are written in hexadecimal, a special token by name."""
    spelt = tokenizer.token_bytes[token_id] if token_id < len(tokenizer.token_bytes) else None
    if spelt is None:
        return tokenizer.decode([token_id], skip_special_tokens=False) or f"<{token_id}>"
    return spelt.decode("utf-8", "backslashreplace")
