"""The law of what is written with guesses: a chi-square test of sampled texts against the probability of every text.

`python tests/simulation/sampled_law.py` samples 100,000 texts; a share of that is in the tests.
"""

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import paths
from engine_harness import Harness, tokens
from hash_model import naive_logits
from rich.console import Console
from wild_drafts import WildDrafts

from palmette.grammar.compiler import GrammarCompiler
from palmette.grammar.vocabulary import Vocabulary
from palmette.lang.ir import Gen
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.cache.radix_cache import RadixCache
from palmette.runtime.speculation.count_drafts import CountDrafts
from palmette.runtime.speculation.drafter import Drafter
from palmette.runtime.speculation.radix_drafts import RadixDrafts
from palmette.runtime.speculation.segment_feed import SegmentFeed
from palmette.runtime.speculation.segment_store import SegmentStore
from palmette.runtime.speculation.suffix_drafts import SuffixDrafts
from palmette.runtime.text.tokenizer import Tokenizer, byte_alphabet

LETTERS = "abcd"
END = len(LETTERS)
VOCAB_SIZE = END + 1
MAX_LEN = 4
PROMPT = (0, 1, 2, 3, 0, 1)
SAMPLES_PER_REQUEST = 10
REQUESTS_AT_ONCE = 6


def _letters_tokenizer() -> Tokenizer:
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    end = {"id": END, "content": "<|end|>", "special": True, "single_word": False, "lstrip": False}
    source = {
        "version": "1.0",
        "added_tokens": [end | {"rstrip": False, "normalized": False}],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": {letters[ord(each)]: i for i, each in enumerate(LETTERS)}, "merges": []},
    }
    return Tokenizer(source, eos_token_ids=(END,), vocab_size=VOCAB_SIZE)


TOKENIZER = _letters_tokenizer()
COMPILER = GrammarCompiler(Vocabulary(TOKENIZER.token_bytes, frozenset(TOKENIZER.eos_token_ids)))


@dataclass(frozen=True)
class Fit:
    """How well sampled texts fit their law."""

    num_samples: int
    num_texts: int
    """Classes of the test."""
    chi_square: float
    num_accepted: int
    """Guesses that were right."""

    @property
    def p_value(self) -> float:
        """How often a sample of the law itself fits worse; by Wilson and Hilferty's normal approximation (1931)."""
        freedom = self.num_texts - 1
        spread = 2 / (9 * freedom)
        return 1 - NormalDist().cdf(((self.chi_square / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def law(temperature: float) -> dict[tuple[int, ...], float]:
    """The probability of every text: of `MAX_LEN` tokens, or with `END` as its last. They add up to 1."""
    return dict(_texts((), 1.0, temperature))


def _texts(before: tuple[int, ...], chance: float, temperature: float) -> Iterator[tuple[tuple[int, ...], float]]:
    logits = naive_logits([*PROMPT, *before], VOCAB_SIZE).astype(np.float64) / temperature
    weights = np.exp(logits - logits.max())
    for token_id, share in enumerate((weights / weights.sum()).tolist()):
        if token_id == END or len(before) + 1 == MAX_LEN:
            yield (*before, token_id), chance * share
        else:
            yield from _texts((*before, token_id), chance * share, temperature)


def sample_texts(num_samples: int, temperature: float) -> tuple[Counter[tuple[int, ...]], int]:
    """What an engine that guesses wildly writes under seeds 0, 1, 2, ..., and how many guesses were right."""
    harness = Harness(tokenizer=TOKENIZER, compiler=COMPILER, make_drafters=_drafters, token_budget=1024)
    params = SamplingParams(max_new_tokens=MAX_LEN, temperature=temperature, n=SAMPLES_PER_REQUEST)
    found: Counter[tuple[int, ...]] = Counter()
    seeds = range(num_samples // SAMPLES_PER_REQUEST)
    for first in seeds[::REQUESTS_AT_ONCE]:
        heard = []
        for seed in seeds[first : first + REQUESTS_AT_ONCE]:
            branch_id = harness.core.open_branch(seed, "")
            heard.append((branch_id, harness.submit(branch_id, [tokens(*PROMPT), Gen("x", params)])))
        while harness.core.step():
            pass
        for branch_id, each in heard:
            found.update(sample.token_ids for sample in each.samples())
            harness.core.close_branch(branch_id)
    return found, harness.core.stats()["num_accepted_tokens"]


def fit(num_samples: int, temperature: float) -> Fit:
    """Pearson's chi-square; texts of which less than 5 are expected are one class."""
    found, num_accepted = sample_texts(num_samples, temperature)
    expected = {text: chance * num_samples for text, chance in law(temperature).items()}
    rare = [text for text, number in expected.items() if number < 5]
    classes: list[Sequence[tuple[int, ...]]] = [[text] for text in expected if text not in set(rare)]
    if rare:
        classes.append(rare)
    assert set(found) <= set(expected), "a text that cannot be"
    terms = [(sum(found[t] for t in texts), sum(expected[t] for t in texts)) for texts in classes]
    chi_square = sum((number - mean) ** 2 / mean for number, mean in terms)
    return Fit(sum(found.values()), len(classes), chi_square, num_accepted)


def _drafters(cache: RadixCache) -> list[Drafter]:
    store = SegmentStore(4096)
    cache.listeners.append(SegmentFeed(store))
    return [WildDrafts(range(VOCAB_SIZE), 1), RadixDrafts(cache), SuffixDrafts(store), CountDrafts()]


def main() -> int:
    """Returns the exit status: 1 where the law does not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000, help="texts (100,000)")
    parser.add_argument("--temperature", type=float, default=1.0, help="they are sampled at (1)")
    arguments = parser.parse_args()
    console = Console()
    with console.status("sampling texts"):
        found = fit(arguments.samples, arguments.temperature)
    fits = found.p_value > 0.001
    console.print(f"{found}, p = {found.p_value:.3f}", style="bold green" if fits else "bold red")
    return 0 if fits else 1


if __name__ == "__main__":
    assert paths.SUPPORT
    sys.exit(main())
