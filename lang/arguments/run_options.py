"""RunOptions: what a run of a program takes besides the program's own arguments."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..backend import Backend, check_backend
from ..errors import InvalidArgument
from ..sampling_params import SamplingParams
from ..terms import Terms
from .sampling_arguments import set_fields

SAMPLING_OPTIONS = (
    "max_new_tokens",
    "min_new_tokens",
    "n",
    "stop",
    "stop_token_ids",
    "stop_regex",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "ignore_eos",
    "return_logprob",
    "logprob_start_len",
    "top_logprobs_num",
    "return_text_in_logprobs",
    "token_healing",
)
"""What the gens of the program inherit where they do not say otherwise."""

TERM_OPTIONS = ("priority", "tenant", "queue_timeout_s", "timeout_s")
"""The fields of `Terms`."""

_REFUSED = {
    "use_thread": "leave it out; the backend runs all branches at the same time, and stream=True runs the program "
    "in a thread of its own"
}
"""Names of SGLang that would do nothing here, and why."""

RUN_OPTIONS = (*SAMPLING_OPTIONS, *TERM_OPTIONS, "seed", "cache_salt", "stream", "backend")


@dataclass(frozen=True)
class RunOptions:
    """How a program runs; made from keywords by `of`."""

    sampling: Mapping[str, Any]
    """The `SamplingParams` fields that were set."""
    terms: Mapping[str, Any]
    """The `Terms` fields that were set."""
    seed: int | None = None
    """The key of all noise of the run; None: the backend draws one."""
    cache_salt: str = ""
    stream: bool = False
    backend: Backend | None = None

    @classmethod
    def of(cls, keywords: Mapping[str, Any]) -> "RunOptions":
        """Check and sort `keywords`, all named in `RUN_OPTIONS`; raises `InvalidArgument`."""
        sampling = set_fields({name: value for name, value in keywords.items() if name in SAMPLING_OPTIONS})
        given = {name: value for name, value in keywords.items() if value is not None}
        terms = {name: value for name, value in given.items() if name in TERM_OPTIONS}
        Terms(**terms)
        rest = {name: value for name, value in given.items() if name not in SAMPLING_OPTIONS and name not in terms}
        SamplingParams(seed=rest.get("seed"))
        if not isinstance(rest.get("cache_salt", ""), str):
            raise InvalidArgument("cache_salt", "a string", rest["cache_salt"])
        if not isinstance(rest.get("stream", False), bool):
            raise InvalidArgument("stream", "True or False", rest["stream"])
        if "backend" in rest:
            check_backend("backend", rest["backend"])
        return cls(sampling, terms, **rest)

    @property
    def sampling_params(self) -> SamplingParams:
        """The defaults of the program's gens."""
        return SamplingParams(**self.sampling)

    def terms_within(self, outer: Terms) -> Terms:
        """The terms of the run: `outer` where the options do not say otherwise."""
        return replace(outer, **self.terms)

    def for_item(self, index: int) -> "RunOptions":
        """The options of item `index` of a batch: its own seed, so that equal items may differ."""
        return self if self.seed is None else replace(self, seed=(self.seed + index) % 2**64)


def split_keywords(
    keywords: Mapping[str, Any], parameters: Collection[str], takes_any: bool, program: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arguments of the program, run options); a name that is both goes to the program.

    `takes_any`: the program has a `**keywords` of its own. Raises `TypeError` on a name that is neither,
    `InvalidArgument` on one of SGLang's that would do nothing.
    """
    arguments: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in keywords.items():
        if name in parameters:
            arguments[name] = value
        elif name in RUN_OPTIONS:
            options[name] = value
        elif takes_any:
            arguments[name] = value
        elif name in _REFUSED:
            raise InvalidArgument(name, "nothing: this argument is not supported", value, _REFUSED[name])
        else:
            raise TypeError(
                f"{program}() got an unexpected argument {name!r}; expected its parameters "
                f"({', '.join(parameters) or 'none'}) or run options ({', '.join(RUN_OPTIONS)})"
            )
    return arguments, options


BatchErrorMode = Literal["raise", "return"]
