"""ReAct replay: thoughts are generated, actions and what tools answered are recorded (Yao et al., 2022)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from answer import Answer
from palmette_answers import generated
from transformers_calls import TransformersCalls

import palmette as pm

from .program_workload import ProgramWorkload
from .size import ProgramSize

_INSTRUCTION = """Answer the question with the help of a shop's database. Write a thought, then an action; the \
observation is what the action gave. The actions are Find[good], Price[number], Stock[number], Sum[numbers] and \
Finish[answer].

Question: Which costs more, a red lamp or a blue one?
Thought 1: I have to find both lamps first.
Action 1: Find[lamp]
Observation 1: No. 3 is a red lamp, No. 8 is a blue lamp.
Thought 2: Now I need the two prices.
Action 2: Price[3], Price[8]
Observation 2: No. 3 costs 31 dollars, No. 8 costs 27 dollars.
Thought 3: 31 is more than 27, so the red lamp costs more.
Action 3: Finish[the red lamp]

"""


@dataclass(frozen=True)
class _Step:
    action: str
    observation: str


_COLOURS = ("white", "green", "brown", "black")
_GOODS = ("kettle", "mirror", "carpet", "bench")


def _episode(number: int, num_steps: int) -> tuple[str, list[_Step]]:
    """A question and what was recorded after each thought."""
    good, colour = _GOODS[number % 4], _COLOURS[number % 4]
    first = 11 + 9 * number
    recorded = [
        _Step(
            f"Find[{colour} {good}]", f"No. {first} is a {colour} {good}, No. {first + 4} is a large {colour} {good}."
        ),
        _Step(f"Price[{first}]", f"No. {first} costs {first + 20} dollars; the price was raised in March."),
        _Step(f"Stock[{first}]", f"There are {first % 7 + 2} of No. {first} in the shop and none in the store."),
        _Step(f"Price[{first + 4}]", f"No. {first + 4} costs {first + 45} dollars, with free delivery on Monday."),
        _Step(f"Stock[{first + 4}]", f"There is 1 of No. {first + 4} in the shop; 3 more are on their way."),
        _Step(f"Sum[{first + 20}, {first + 45}]", f"{2 * first + 65}"),
    ]
    return f"What do a {colour} {good} and a large one cost, and are they there?", recorded[:num_steps]


def _question_text(question: str) -> str:
    return f"{_INSTRUCTION}Question: {question}\nThought 1:"


def _step_text(number: int, step: _Step) -> str:
    """What follows a thought, up to the next one."""
    return f"\nAction {number}: {step.action}\nObservation {number}: {step.observation}\nThought {number + 1}:"


@pm.function
def replay(s: pm.ProgramState, question: str, steps: list[_Step], how: Mapping[str, Any]) -> None:
    """A thought before each action, and one after the last."""
    s += _question_text(question)
    s += pm.gen("thought_1", **how)
    for number, step in enumerate(steps, 1):
        s += _step_text(number, step)
        s += pm.gen(f"thought_{number + 1}", **how)


def make_react_replay(size: ProgramSize) -> ProgramWorkload:
    """Episodes with `size.num_turns` calls each."""
    episodes = [_episode(number, size.num_turns) for number in range(size.num_programs)]
    names = [f"thought_{number}" for number in range(1, size.num_turns + 2)]

    def write(how: dict[str, Any]) -> list[Answer]:
        return generated(replay.run_batch([(question, steps, how) for question, steps in episodes]), names)

    def call(calls: TransformersCalls, num_tokens: int) -> None:
        tapes = [calls.open(_question_text(question)) for question, _ in episodes]
        calls.generate(names[0], tapes, num_tokens)
        for number, name in enumerate(names[1:], 1):
            for tape, (_, steps) in zip(tapes, episodes, strict=True):
                tape.write(_step_text(number, steps[number - 1]))
            calls.generate(name, tapes, num_tokens)

    return ProgramWorkload(
        "react_replay",
        f"{len(episodes)} ReAct episodes of {size.num_turns} recorded calls, {size.num_tokens} tokens a thought",
        size.num_tokens,
        write,
        call,
    )
