"""Notes of what happens to a simulated engine, written out only where somebody reads them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from palmette.lang.ir import Gen, Operation, Score, Select, Text, Tokens
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.ticket import DEFAULT_TERMS, Terms

Note = Callable[[str, str], None]
"""Is told what happened: a word for it, and the details."""


@dataclass(frozen=True)
class Briefly:
    """Operations, or terms, in a few words."""

    subject: Sequence[Operation] | Terms

    def __str__(self) -> str:
        if isinstance(self.subject, Terms):
            return f"({_changed(self.subject, Terms())})" if self.subject != DEFAULT_TERMS else ""
        return ", ".join(map(brief, self.subject)) or "nothing"


def brief(operation: Operation) -> str:
    """An operation in a few words."""
    match operation:
        case Text(text=text):
            return f"text {text!r}"
        case Tokens(token_ids=token_ids):
            return f"tokens {list(token_ids)}"
        case Gen(params=params, constraint=constraint):
            return f"gen({_changed(params, SamplingParams())}{f', {constraint}' if constraint else ''})"
        case Select(choices=choices, method=method):
            return f"select {choices} by {method}"
        case Score(text=text):
            return f"score {text!r}"
        case _:
            return str(operation)


def _changed(record: object, defaults: object) -> str:
    names = [name for name in dir(record) if not name.startswith("_") and not callable(getattr(record, name))]
    values = {name: getattr(record, name) for name in names}
    return ", ".join(f"{name}={value!r}" for name, value in values.items() if value != getattr(defaults, name))


@dataclass(frozen=True)
class StepDetails:
    """What a step has changed."""

    before: dict[str, int]
    after: dict[str, int]

    def __str__(self) -> str:
        before, after = self.before, self.after
        num_tokens = after["num_computed_tokens"] - before["num_computed_tokens"]
        num_preemptions = after["num_preemptions"] - before["num_preemptions"]
        preempted = f", {num_preemptions} rows preempted" if num_preemptions else ""
        return f"{num_tokens} tokens computed{preempted}, {after['num_free_pages']}/{after['num_pages']} pages free"
