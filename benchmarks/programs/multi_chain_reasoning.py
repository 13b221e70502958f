"""Multi-chain reasoning: several lines of thought on one question, a pick by each, a vote (Wang et al., 2022)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from answer import Answer
from palmette_answers import generated, picked
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import ProgramWorkload
from .size import ProgramSize

_INSTRUCTION = (
    "Here is a question with three possible answers: yes, no and perhaps. Several people think about it, each in a "
    "way of their own, and each gives an answer. Then they vote.\n\n"
)
_QUESTIONS = (
    "Can a boat that is made of iron float on water?",
    "Is it colder on a mountain than in the valley below it?",
    "Does a plant that stands in a dark room grow well?",
    "Is a kilogram of feathers lighter than a kilogram of stones?",
)
_MANNERS = (
    "by an example",
    "step by step",
    "by what would follow if it were not so",
    "by asking what an expert would say",
    "by drawing a picture",
)
_PICKS = (" yes", " no", " perhaps")
_PICK_TEXT = "\nSo the answer is"


def _question_text(question: str) -> str:
    return f"{_INSTRUCTION}Question: {question}\n"


def _manner_text(manner: str) -> str:
    return f"\nThinking {manner}:"


def _vote_text(picks: Sequence[str]) -> str:
    (winner, num_votes), *_ = Counter(picks).most_common(1)
    return f"\nThe vote:{winner}, with {num_votes} of {len(picks)} votes. The reason in short:"


@pm.function
def multi_chain(s: pm.ProgramState, question: str, how: Mapping[str, Any]) -> None:
    """Python counts the votes."""
    s += _question_text(question)
    chains = s.fork(len(_MANNERS))
    for chain, manner in zip(chains, _MANNERS, strict=True):
        chain += _manner_text(manner)
        chain += pm.gen("chain", **how)
        chain += _PICK_TEXT
        chain += pm.select("pick", _PICKS)
    chains.join()
    s += _vote_text(s["pick"])
    s += pm.gen("reason", **how)


def make_multi_chain_reasoning(size: ProgramSize) -> ProgramWorkload:
    """A vote a question."""
    questions = _QUESTIONS[: size.num_programs]

    def write(how: dict[str, Any]) -> list[Answer]:
        states = multi_chain.run_batch([(question, how) for question in questions])
        return [
            *generated(states, ["chain"]),
            *picked(states, "pick", _PICKS),
            *generated(states, ["reason"]),
        ]

    def call(calls: TransformersCalls, num_tokens: int) -> None:
        tapes = [calls.open(_question_text(question)) for question in questions]
        chains = [chain for tape in tapes for chain in calls.fork(tape, len(_MANNERS))]
        for index, chain in enumerate(chains):
            chain.write(_manner_text(_MANNERS[index % len(_MANNERS)]))
        calls.generate("chain", chains, num_tokens)
        for chain in chains:
            chain.write(_PICK_TEXT)
        picks = calls.select("pick", chains, _PICKS)
        for index, tape in enumerate(tapes):
            tape.write(_vote_text(picks[index * len(_MANNERS) : (index + 1) * len(_MANNERS)]))
        calls.generate("reason", tapes, num_tokens)

    return ProgramWorkload(
        "multi_chain_reasoning",
        f"{len(questions)} questions, {len(_MANNERS)} chains of reasoning and a vote, {size.num_tokens} tokens each",
        size.num_tokens,
        write,
        call,
    )
