"""ComposedGrammar: the rules of a text made of several languages, and the guards of the documents inside it."""

from dataclasses import dataclass

from ..rules.rule_set import RuleSet
from .guard_frames import GuardFrames


@dataclass(frozen=True, slots=True)
class ComposedGrammar:
    """`rules` allow too much where `frames` say that a guard stands; None: they say it all."""

    rules: RuleSet
    frames: GuardFrames | None
