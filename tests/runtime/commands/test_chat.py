"""`palmette chat`, as a user types it."""

import argparse
from collections.abc import Iterator, Sequence

import httpx
import pytest
from rich.console import Console

from palmette.runtime.cli import main
from palmette.runtime.commands.chat_conversation import Conversation
from palmette.runtime.commands.chat_source import ServerChat, Turn
from palmette.runtime.commands.command import UsageError

CLIENT = httpx.Client
OPTIONS = argparse.Namespace(max_tokens=5, temperature=0.0, seed=3)


class Parrot:
    """Says what it was told, word by word."""

    name = "parrot"

    def __init__(self) -> None:
        self.asked: list[tuple[Turn, ...]] = []

    def answer(self, turns: Sequence[Turn]) -> Iterator[str]:
        self.asked.append(tuple(turns))
        for word in turns[-1].text.split():
            if word == "stop!":
                raise KeyboardInterrupt
            yield f"{word} "


def converse(*said: str, system: str | None = None) -> tuple[Conversation, Parrot]:
    lines = iter(said)

    def ask() -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    parrot = Parrot()
    conversation = Conversation(parrot, system, Console(quiet=True), ask)
    conversation.run()
    return conversation, parrot


def test_turns_add_up() -> None:
    conversation, parrot = converse("hello you", "", "again", system="Be a bird.")
    assert [turn.role for turn in conversation.turns] == ["system", "user", "assistant", "user", "assistant"]
    assert parrot.asked[1][0] == Turn("system", "Be a bird.")
    assert parrot.asked[1][2] == Turn("assistant", "hello you ")


def test_what_begins_with_a_slash_is_a_command() -> None:
    conversation, parrot = converse(
        "one", "two", "/undo", "three", "/unknown", "/new", "/undo", "four", "/quit", "five"
    )
    assert [turns[-1].text for turns in parrot.asked] == ["one", "two", "three", "four"]
    assert [turn.text for turn in parrot.asked[2]] == ["one", "one ", "three"]
    assert [turn.text for turn in conversation.turns] == ["four", "four "]
    conversation, _ = converse("one", "/system Be brief.")
    assert conversation.turns == [Turn("system", "Be brief.")]


def test_an_answer_that_is_stopped_is_kept_as_far_as_it_went() -> None:
    conversation, _ = converse("a b stop! c")
    assert conversation.turns[-1] == Turn("assistant", "a b ")


def test_with_the_embedded_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["chat", "--once", "What is the capital of France?", "--temperature", "0", "--system", "Be brief."]) == 0
    )
    assert "Paris" in capsys.readouterr().out


def server(answers: dict[str, httpx.Response], monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """What is asked of a server that gives these answers."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answers[request.url.path]

    monkeypatch.setattr(httpx, "Client", lambda **options: CLIENT(**options, transport=httpx.MockTransport(handle)))
    return asked


MODELS = httpx.Response(200, json={"data": [{"id": "sprig"}]})


def test_with_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = (
        'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n: still here\n\n'
        'data: {"choices": [{"delta": {"content": "Good "}}]}\n\ndata: {"choices": [{"delta": {"content": "day"}}]}\n\n'
        'data: {"choices": []}\n\ndata: [DONE]\n\n'
    )
    answers = {"/v1/models": MODELS, "/v1/chat/completions": httpx.Response(200, text=stream)}
    asked = server(answers, monkeypatch)
    with ServerChat("http://there:1/v1/", "key", OPTIONS) as source:
        assert list(source.answer([Turn("user", "Hi")])) == ["Good ", "day"]
    assert asked[1].headers["authorization"] == "Bearer key"
    assert b'"seed":3' in asked[1].content


def test_what_a_server_says_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = httpx.Response(401, json={"error": {"message": "no key"}})
    server({"/v1/models": refused}, monkeypatch)
    with pytest.raises(UsageError, match="answered 401: no key"):
        ServerChat("http://there:1", None, OPTIONS)
    failing = 'data: {"error": {"message": "the engine is gone"}}\n\n'
    server({"/v1/models": MODELS, "/v1/chat/completions": httpx.Response(200, text=failing)}, monkeypatch)
    with ServerChat("http://there:1", None, OPTIONS) as source, pytest.raises(UsageError, match="the engine is gone"):
        list(source.answer([Turn("user", "Hi")]))


def test_where_no_server_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--url", "http://127.0.0.1:9", "--once", "Hi"]) == 2
    assert "no server answers" in capsys.readouterr().err
    assert main(["chat", "--url", "http://127.0.0.1:9", "--model", "x"]) == 2
    assert "expected one of them" in capsys.readouterr().err
    assert main(["chat", "--url", "http://127.0.0.1:9", "--quantization", "int8"]) == 2
    assert "a server says how its model is held" in capsys.readouterr().err
