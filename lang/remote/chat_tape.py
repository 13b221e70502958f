"""ChatTape: a branch's text as an OpenAI-compatible endpoint is told it: messages, or one plain text."""

from typing import Literal

from .errors import EndpointLimit

Api = Literal["chat", "completions"]


class ChatTape:
    """Of one branch. In the text of the program, turns are marked as ChatML does, whatever the model's own marks are.

    "chat": all text is in turns, and a generation is a whole turn of the assistant. "completions": no turns.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.messages: list[dict[str, str]] = []
        self.role: str | None = None
        self.text = ""
        """Of the turn that is open; without turns, of all."""
        self.num_messages_at_fork = 0
        self.text_len_at_fork = 0

    def copy(self) -> "ChatTape":
        """The tape of a child."""
        child = ChatTape(self._api)
        child.messages = list(self.messages)
        child.role, child.text = self.role, self.text
        child.num_messages_at_fork, child.text_len_at_fork = len(self.messages), len(self.text)
        return child

    def append(self, text: str) -> None:
        """Text of the program's own."""
        if self._api == "chat" and self.role is None:
            raise EndpointLimit(
                f"expected text in a turn (`with s.user(): ...`), got {text[:80]!r} outside of any, which a chat "
                "endpoint cannot be told; put it in a turn, or make the endpoint with api='completions'"
            )
        self.text += text

    def begin(self, role: str) -> str:
        """Open a turn; what the program's text shows of that."""
        if self._api == "completions":
            raise EndpointLimit(
                f"expected text without turns, got a turn of {role!r}: /v1/completions has none; make the endpoint "
                "with api='chat'"
            )
        self.role, self.text = role, ""
        return f"<|im_start|>{role}\n"

    def end(self) -> str:
        """Close the turn; how the program's text shows it."""
        assert self.role is not None, "the language closes only what it has opened"
        self.messages.append({"role": self.role, "content": self.text})
        self.role, self.text = None, ""
        return "<|im_end|>\n"

    def check_generates(self, name: str) -> None:
        """Raise `EndpointLimit` where the endpoint cannot go on from here."""
        if self._api == "completions":
            if not self.text:
                raise EndpointLimit(f"expected text before {name!r}, got none")
            return
        if self.role != "assistant":
            raise EndpointLimit(
                f"expected {name!r} in a turn of the assistant, got it in {self.role or 'no'} turn; a chat endpoint "
                "writes as the assistant alone"
            )
        if self.text:
            raise EndpointLimit(
                f"expected {name!r} at the begin of the assistant's turn, got it after {self.text[-80:]!r}: a chat "
                "endpoint does not go on with a turn that has begun; ask for this text in the user's turn, or make the "
                "endpoint with api='completions'"
            )

    def added_since_fork(self) -> str:
        """What a join appends of this branch."""
        if len(self.messages) != self.num_messages_at_fork:
            raise EndpointLimit(
                "expected branches that add text to the turn that is open, got whole turns: they cannot be joined into "
                "a turn; read their values instead (gather_variable)"
            )
        return self.text[self.text_len_at_fork :]
