"""Multi-turn chat: several chats at once, each turn of which goes on with the whole chat so far."""

from collections.abc import Mapping, Sequence
from typing import Any

from answer import Answer
from palmette_answers import generated
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import ProgramWorkload
from .size import ProgramSize

_INSTRUCTION = "A chat between a curious guest and a friendly host of a small hotel. The host answers in a few words."
_QUESTIONS = (
    (
        "Good morning! Is there still a room for tonight?",
        "Does it look on the river or on the street?",
        "At what time is breakfast, and is there fresh bread?",
        "May I leave my bag here until the evening?",
        "How do I get to the old bridge from here?",
        "And where would you go for dinner yourself?",
    ),
    (
        "Hello, we are four people with a dog. Can we stay for a week?",
        "What does that cost for all of us together?",
        "Is there a garden in which the dog may run?",
        "One of us does not eat meat. Can the kitchen cook for her?",
        "We would like to see the market. On which day is it?",
        "Thank you! Do you need anything else from us?",
    ),
    (
        "Excuse me, the lamp in my room does not work.",
        "Could you also bring another blanket? It was cold last night.",
        "Is there a shop near here where I can buy a coat?",
        "What will the weather be like at the weekend?",
        "Then I shall stay one day longer, if that is possible.",
        "Please wake me at seven.",
    ),
    (
        "Is it true that a painter lived in this house?",
        "Which of the rooms was hers?",
        "Are there any of her pictures left?",
        "Who looks after them now?",
        "May one take photographs of them?",
        "I will write about them in our paper. Whom should I thank?",
    ),
)


def _turn_text(number: int, question: str) -> str:
    before = _INSTRUCTION if number == 1 else ""
    return f"{before}\nGuest: {question}\nHost:"


@pm.function
def chat(s: pm.ProgramState, questions: Sequence[str], how: Mapping[str, Any]) -> None:
    """Turns are plain text: with a fixed length an answer would write over the end of its turn in a template."""
    for number, question in enumerate(questions, 1):
        s += _turn_text(number, question)
        s += pm.gen(f"answer_{number}", **how)


def make_multi_turn_chat(size: ProgramSize) -> ProgramWorkload:
    """Chats of `size.num_turns` turns."""
    chats = [questions[: size.num_turns] for questions in _QUESTIONS[: size.num_programs]]
    names = [f"answer_{number}" for number in range(1, size.num_turns + 1)]

    def write(how: dict[str, Any]) -> list[Answer]:
        return generated(chat.run_batch([(questions, how) for questions in chats]), names)

    def call(calls: TransformersCalls, num_tokens: int) -> None:
        tapes = [calls.open("") for _ in chats]
        for number, name in enumerate(names, 1):
            for tape, questions in zip(tapes, chats, strict=True):
                tape.write(_turn_text(number, questions[number - 1]))
            calls.generate(name, tapes, num_tokens)

    return ProgramWorkload(
        "multi_turn_chat",
        f"{len(chats)} chats of {size.num_turns} turns, {size.num_tokens} tokens an answer",
        size.num_tokens,
        write,
        call,
    )
