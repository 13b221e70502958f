"""Random operations, in the words of some vocabulary."""

from dataclasses import dataclass

from chooser import Chooser

from palmette.grammar.spec import Constraint
from palmette.lang.ir import ChoicesMethod, Gen, Score, Select, Text
from palmette.lang.sampling_params import SamplingParams

METHODS: tuple[ChoicesMethod, ...] = (
    "token_length_normalized",
    "greedy_token_selection",
    "unconditional_likelihood_normalized",
)


@dataclass(frozen=True)
class Wording:
    """What random operations are made of."""

    token_ids: tuple[int, ...]
    """Few, so that prefixes are often shared."""
    texts: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    scored: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    stops: tuple[str, ...] = ()
    stop_regexes: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    max_new_tokens: int = 5
    long_new_tokens: int = 5
    """Of some generations."""
    prompt_percent: int = 25
    """Of the prompts that are text; the others are token ids."""
    prompt_end: str = "b"
    """What a prompt that is text ends with, so that there is one."""
    healing_percent: int = 0
    """Of the generations that heal their seam."""


class RandomOperations:
    """Draws operations; `is_rich`: with everything a generation can be asked for."""

    def __init__(self, chooser: Chooser, wording: Wording, *, is_rich: bool) -> None:
        self._chooser = chooser
        self._wording = wording
        self._is_rich = is_rich

    def token_ids(self, max_len: int) -> tuple[int, ...]:
        """Token ids, one at least."""
        chooser = self._chooser
        return tuple(chooser.pick(self._wording.token_ids) for _ in range(chooser.integer(1, max_len)))

    def text(self) -> Text:
        """Text, which may be none."""
        return Text(self._chooser.pick(self._wording.texts))

    def score(self) -> Score:
        """A score of some text."""
        return Score("s", self._chooser.pick(self._wording.scored))

    def select(self) -> Select:
        """A selection by any method."""
        chooser = self._chooser
        temperature = 1.0 if self._is_rich and chooser.chance(30) else 0.0
        return Select("z", chooser.pick(self._wording.choices), chooser.pick(METHODS), temperature)

    def gen(self, *, n: int = 1) -> Gen:
        """A generation of `n` samples."""
        chooser, wording = self._chooser, self._wording
        is_long = self._is_rich and chooser.chance(20)
        fields: dict[str, object] = {
            "max_new_tokens": chooser.integer(1, wording.long_new_tokens if is_long else wording.max_new_tokens),
            "temperature": 1.0 if n > 1 else chooser.pick((0.0, 1.0)),
            "ignore_eos": True,
        }
        constraint = chooser.pick(wording.constraints) if wording.constraints and chooser.chance(25) else None
        if self._is_rich:
            fields |= self._rich_fields(int(str(fields["max_new_tokens"])))
        if wording.healing_percent:
            fields["token_healing"] = chooser.chance(wording.healing_percent)
        return Gen("x", SamplingParams(n=n, **fields), constraint)  # type: ignore[arg-type] # any field

    def _rich_fields(self, max_new_tokens: int) -> dict[str, object]:
        chooser, wording = self._chooser, self._wording
        fields: dict[str, object] = {"ignore_eos": chooser.chance(60)}
        if chooser.chance(30):
            fields["stop"] = (chooser.pick(wording.stops),)
        if chooser.chance(15):
            fields["stop_regex"] = (chooser.pick(wording.stop_regexes),)
        if chooser.chance(15):
            fields["stop_token_ids"] = (chooser.pick(wording.stop_token_ids),)
        if chooser.chance(25):
            fields["min_new_tokens"] = chooser.integer(1, max_new_tokens)
        if chooser.chance(25):
            fields |= chooser.pick(_FILTERS)
        if chooser.chance(10):
            fields["seed"] = chooser.integer(0, 3)
        if chooser.chance(15):
            fields["skip_special_tokens"] = False
        if chooser.chance(20):
            fields |= {"return_logprob": True, "logprob_start_len": chooser.pick((None, 0, 1, 5, 50))}
        return fields


_FILTERS: tuple[dict[str, object], ...] = (
    {"top_k": 3},
    {"top_p": 0.7},
    {"min_p": 0.2},
    {"frequency_penalty": 0.5},
    {"presence_penalty": 1.0, "repetition_penalty": 1.3},
    {"logit_bias": {5: 3.0, 7: -4.0}},
)
