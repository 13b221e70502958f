"""Drawing tokens: the exact distribution against 100,000 draws, filters against their definitions, rows apart."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

from palmette.kernels.draw import Draw
from palmette.kernels.philox import gumbel
from palmette.kernels.sampling import (
    draw_tokens,
    greedy_tokens,
    top_tokens,
)

LOGITS = [1.0, 2.5, -0.5, 2.5, 0.0, -math.inf, 1.75, -3.0]
NUM_DRAWS = 100_000
PLAIN = Draw(temperature=1.0, top_k=None, top_p=1.0, min_p=0.0, seed=0, path=0, position=0)


def exact_distribution(
    logits: list[float], temperature: float, top_k: int | None, top_p: float, min_p: float
) -> list[float]:
    """The definition, step by step, on Python floats."""
    best = max(logits)
    weights = [math.exp((logit - best) / temperature) for logit in logits]
    order = sorted(range(len(logits)), key=lambda token_id: (-weights[token_id], token_id))
    kept = [token_id for token_id in order if weights[token_id] > 0][: top_k or len(logits)]
    total, mass, nucleus = sum(weights[token_id] for token_id in kept), 0.0, []
    for token_id in kept:
        if mass >= top_p * total:
            break
        nucleus.append(token_id)
        mass += weights[token_id]
    left = {token_id for token_id in nucleus if weights[token_id] >= min_p * weights[order[0]]}
    total = sum(weights[token_id] for token_id in left)
    return [weights[token_id] / total if token_id in left else 0.0 for token_id in range(len(logits))]


def assert_fits(counts: Counter[int], probabilities: list[float]) -> None:
    """Pearson's chi-square, made normal by Wilson and Hilferty; 4 sigma. Impossible tokens must not occur."""
    num_draws = sum(counts.values())
    possible = [token_id for token_id, p in enumerate(probabilities) if p > 0]
    assert set(counts) <= set(possible), f"impossible tokens drawn: {set(counts) - set(possible)}"
    freedom = len(possible) - 1
    if freedom == 0:
        return
    statistic = sum(
        (counts[token_id] - num_draws * probabilities[token_id]) ** 2 / (num_draws * probabilities[token_id])
        for token_id in possible
    )
    deviation = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    assert deviation < 4, f"chi-square {statistic:.1f} with {freedom} degrees of freedom"


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "min_p"),
    [
        (1.0, None, 1.0, 0.0),
        (0.6, None, 1.0, 0.0),
        (3.0, None, 1.0, 0.0),
        (1.0, 3, 1.0, 0.0),
        (1.0, 1, 1.0, 0.0),
        (1.0, None, 0.8, 0.0),
        (1.0, None, 0.01, 0.0),
        (1.0, None, 1.0, 0.3),
        (1.0, None, 1.0, 1.0),
        (1.0, None, 0.55, 0.5),
        (1.3, 5, 0.9, 0.05),
    ],
)
def test_draws_follow_the_exact_distribution(temperature: float, top_k: int | None, top_p: float, min_p: float) -> None:
    probabilities = exact_distribution(LOGITS, temperature, top_k, top_p, min_p)
    # What varies between draws is, in turn, the seed, the path and the position.
    draws = [
        Draw(temperature, top_k, top_p, min_p, i if i % 3 == 0 else 1, i if i % 3 == 1 else 1, i if i % 3 == 2 else 1)
        for i in range(NUM_DRAWS)
    ]
    logits = torch.tensor([LOGITS]).repeat(NUM_DRAWS // 20, 1)
    counts: Counter[int] = Counter()
    for first in range(0, NUM_DRAWS, len(logits)):
        counts.update(draw_tokens(logits, draws[first : first + len(logits)]).tolist())
    assert_fits(counts, probabilities)


def test_the_token_is_the_argmax_of_logits_and_noise() -> None:
    generator = torch.Generator().manual_seed(1)
    for vocab_size, scale in ((3, 1.0), (700, 1.0), (700, 12.0), (5000, 4.0), (5000, 0.01)):
        logits = torch.randn(8, vocab_size, generator=generator) * scale
        rows = list(range(8))
        expected = (logits.double() / 0.7 + gumbel(rows, rows, rows, vocab_size)).argmax(dim=-1)
        draws = [replace(PLAIN, temperature=0.7, seed=i, path=i, position=i) for i in rows]
        assert draw_tokens(logits, draws).tolist() == expected.tolist()


def _filtered(logits: torch.Tensor, **fields: Any) -> set[int]:
    """What the filters leave of one row, seen from what is drawn at a temperature that levels the rest."""
    num_draws = 4000
    draws = [replace(PLAIN, position=i, **fields) for i in range(num_draws)]
    return set(draw_tokens(logits.repeat(num_draws, 1), draws).tolist())


def test_equals_are_ranked_by_id() -> None:
    logits = torch.zeros(1, 9)
    assert _filtered(logits, top_k=4) == {0, 1, 2, 3}
    assert _filtered(logits, top_p=0.5) == {0, 1, 2, 3, 4}
    assert _filtered(logits, min_p=1.0) == set(range(9))
    logits[0, 7] = 1.0
    assert _filtered(logits, top_k=3) == {7, 0, 1}


def test_near_equals_are_ranked_by_score() -> None:
    logits = torch.tensor([[0.0, 0.03, 0.01, 0.02, -5.0]])
    assert _filtered(logits, top_k=1) == {1}
    assert _filtered(logits, top_k=3) == {1, 3, 2}
    assert _filtered(logits, top_p=0.3) == {1, 3}
    assert _filtered(logits, top_p=0.6) == {1, 3, 2}


def test_top_p_takes_the_fewest_that_reach_it() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()
    assert _filtered(logits, top_p=0.5) == {0}
    assert _filtered(logits, top_p=0.51) == {0, 1}
    assert _filtered(logits, top_p=0.75) == {0, 1}
    assert _filtered(logits, top_p=0.99) == {0, 1, 2, 3}
    assert _filtered(logits, top_p=1e-9) == {0}
    assert _filtered(logits, top_k=2, top_p=0.7) == {0, 1}, "of what top-k leaves the first has two thirds"


def test_extreme_temperatures() -> None:
    logits = torch.tensor([[3.0, 2.9, -1000.0]])
    assert _filtered(logits, temperature=1e-30) == {0}
    assert _filtered(logits, temperature=5e-324) == {0}
    assert _filtered(logits, temperature=1e30) == {0, 1, 2}
    assert _filtered(logits, temperature=1e300, top_p=0.99) == {0, 1, 2}
    neighbours = torch.tensor([[1.0, 1.0]]).nextafter(torch.tensor([[2.0, 1.0]]))
    assert _filtered(neighbours, temperature=5e-324, top_k=2, top_p=0.5) == {0}
    assert _filtered(neighbours, temperature=5e-324, top_k=2) == {0}
    huge = torch.tensor([[3e38, -3e38, -torch.inf]])
    assert _filtered(huge) == {0}


def test_rows_do_not_touch_each_other() -> None:
    generator = torch.Generator().manual_seed(2)
    num_rows, vocab_size = 24, 997
    logits = torch.randn(num_rows, vocab_size, generator=generator) * 3
    shapes = [(1.0, None, 1.0, 0.0), (0.8, 40, 1.0, 0.0), (1.2, None, 0.9, 0.0), (1.5, 50, 0.95, 0.01)]
    draws = [Draw(*shapes[i % 4], seed=i, path=2 * i, position=3 * i) for i in range(num_rows)]
    alone = [draw_tokens(logits[i : i + 1], [draws[i]]).item() for i in range(num_rows)]
    assert draw_tokens(logits, draws).tolist() == alone
    for _ in range(20):
        order = torch.randperm(num_rows, generator=generator)[: int(torch.randint(2, 24, (1,), generator=generator))]
        chosen = draw_tokens(logits[order], [draws[i] for i in order.tolist()])
        assert chosen.tolist() == [alone[i] for i in order.tolist()]


def test_greedy_takes_the_lowest_id_among_equals() -> None:
    logits = torch.zeros(3, 5000)
    logits[1, 4000:] = 2
    logits[2, [17, 4999]] = 1
    assert greedy_tokens(logits).tolist() == [0, 4000, 17]


def test_top_tokens() -> None:
    logits = torch.tensor([1.0, 3.0, 3.0, -torch.inf, 2.0, 3.0])
    assert top_tokens(logits, 2).tolist() == [1, 2]
    assert top_tokens(logits, 4).tolist() == [1, 2, 5, 4]
    assert top_tokens(logits, 99).tolist() == [1, 2, 5, 4, 0, 3]
    assert top_tokens(logits, 0).tolist() == []
