"""What OpenAI-compatible endpoints answer, as far as it is read, and what the language is told of it."""

import msgspec

from ..events import FinishReason, GenResult


class Message(msgspec.Struct):
    """What the assistant said; `refusal`: why it would not."""

    content: str | None = None
    refusal: str | None = None


class TopLogprob(msgspec.Struct):
    """One way a text might go on."""

    token: str
    logprob: float


class TokenEntry(msgspec.Struct):
    """One token, and the best alternatives."""

    token: str
    logprob: float
    top_logprobs: list[TopLogprob] = []


class Logprobs(msgspec.Struct):
    """A chat's in `content`, those of /v1/completions in parallel lists."""

    content: list[TokenEntry] | None = None
    token_logprobs: list[float | None] | None = None
    text_offset: list[int] | None = None


class Choice(msgspec.Struct):
    """One sample, or, in a stream, more of it."""

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    text: str | None = None
    logprobs: Logprobs | None = None
    finish_reason: str | None = None

    @property
    def content(self) -> str:
        """The text, wherever it is."""
        if self.text is not None:
            return self.text
        message = self.message or self.delta
        return "" if message is None else message.content or message.refusal or ""


class PromptDetails(msgspec.Struct):
    """Of the prompt's tokens, those that were computed before."""

    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    """What a request took."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None


class ErrorObject(msgspec.Struct):
    """What went wrong in the middle of a stream."""

    message: str = "no reason was given"
    code: str | int | None = None


class Reply(msgspec.Struct):
    """A reply, or a chunk of one."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: ErrorObject | None = None


def gen_result(text: str, reason: str | None, usage: Usage | None, seed: int, num_tokens: int) -> GenResult:
    """One sample. The endpoint tells no token ids: there are none in it, only their number."""
    details = None if usage is None else usage.prompt_tokens_details
    return GenResult(
        text=text,
        token_ids=(),
        finish_reason=FinishReason("length" if reason == "length" else "stop"),
        prompt_tokens=0 if usage is None else usage.prompt_tokens,
        cached_tokens=0 if details is None else details.cached_tokens or 0,
        seed=seed,
        num_tokens=num_tokens,
    )
