"""Parameter: what becomes of one parameter of an endpoint; the page of the documentation is made from these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["supported", "refused", "ignored"]


@dataclass(frozen=True)
class Parameter:
    """One line of the table. `refused`: a request with it fails; `ignored`: it may be there, and changes nothing."""

    name: str
    endpoint: str
    verdict: Verdict
    reason: str
    """What it does, or why it is not taken."""
    place: Literal["body", "query"] = "body"


def refusals(parameters: Iterable[Parameter]) -> Mapping[str, str]:
    """Of those that are refused, why."""
    return {each.name: each.reason for each in parameters if each.verdict == "refused"}
