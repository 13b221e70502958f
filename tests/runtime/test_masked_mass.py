"""The probability that a mask removes is reported, beside each value, as a plain computation has it."""

import math

import pytest
import torch
from engine_harness import COMPILER, TOKENIZER, VOCAB_SIZE, Harness, gen, tokens
from hash_model import naive_logits
from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.grammar.spec import Choice, Constraint, JsonSchema, Regex
from palmette.kernels.sampling import log_allowed_mass
from palmette.kernels.token_bitmask import mask_words, pack_token_bitmask, unpack_token_bitmask
from palmette.lang.events import GenResult
from palmette.lang.ir import Gen
from palmette.lang.meta_info import meta_info_of
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.sampler import Sampler, SampleRow

SCHEMA = '{"type": "object", "properties": {"name": {"enum": ["Ann", "Bob"]}}, "required": ["name"]}'
CONSTRAINTS = (Regex("ab{3}[xy]c"), JsonSchema(SCHEMA), Choice(("yes", "yesterday", "no")), Regex("(?s).*"))


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    num_rows=st.integers(1, 5),
    scale=st.sampled_from([0.1, 3.0, 80.0, 1e4]),
    density=st.sampled_from([0.001, 0.5, 1.0]),
)
def test_the_mass_is_the_share_of_the_allowed(seed: int, num_rows: int, scale: float, density: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_rows, 200, generator=generator) * scale
    logits[:, 7] = -torch.inf
    allowed = torch.rand(num_rows, 200, generator=generator) < density
    allowed[:, 3] = True
    before = logits.clone()
    token_ids = torch.full((num_rows,), 3) if seed % 2 else logits.masked_fill(~allowed, -torch.inf).argmax(dim=-1)
    masses = log_allowed_mass(logits, pack_token_bitmask(allowed), token_ids)
    assert torch.equal(logits, before)
    for row in range(num_rows):
        values = logits[row].double()
        wanted = values[allowed[row]].logsumexp(0) - values.logsumexp(0)
        assert float(masses[row]) == pytest.approx(float(wanted), rel=1e-5, abs=1e-5 * max(1.0, scale))
    assert bool((masses <= 0).all())


def test_penalties_bias_and_temperature_do_not_count() -> None:
    logits = torch.randn(2, VOCAB_SIZE, generator=torch.Generator().manual_seed(3))
    mask = torch.zeros(1, VOCAB_SIZE, dtype=torch.bool)
    mask[0, 5:50] = True
    plain = SampleRow(SamplingParams(max_new_tokens=1), 1, 0, 0, bitmask=pack_token_bitmask(mask)[0])
    params = SamplingParams(
        max_new_tokens=1, temperature=3.0, top_k=2, logit_bias={9: 40.0}, repetition_penalty=1.9, presence_penalty=1.0
    )
    bent = SampleRow(
        params, 1, 0, 0, bitmask=pack_token_bitmask(mask)[0], seen_token_ids={9}, output_counts={9: 2},
        banned_token_ids=(6,),
    )  # fmt: skip
    free = SampleRow(SamplingParams(max_new_tokens=1), 1, 0, 0)
    sampler = Sampler(VOCAB_SIZE)
    both = sampler.sample(torch.stack([logits[0], logits[0]]), [plain, bent])
    wanted = float(logits[0, 5:50].double().logsumexp(0) - logits[0].double().logsumexp(0))
    assert [each.masked_log_mass for each in both] == [pytest.approx(wanted, abs=1e-5)] * 2
    mixed = sampler.sample(torch.stack([logits[1], logits[0]]), [free, plain])
    assert mixed[0].masked_log_mass is None
    assert mixed[1].masked_log_mass == pytest.approx(wanted, abs=1e-5)
    assert mixed[1].token_id == both[0].token_id


def replayed(constraint: Constraint, prompt: list[int], result: GenResult) -> float:
    """Walk the matcher again, over logits computed from scratch."""
    matcher = COMPILER.compile(constraint).new_matcher()
    total, text = 0.0, list(prompt)
    for token_id in result.token_ids:
        row = torch.zeros(mask_words(VOCAB_SIZE), dtype=torch.int32)
        matcher.fill_bitmask(row)
        logits = torch.from_numpy(naive_logits(text, VOCAB_SIZE)).double()
        allowed = unpack_token_bitmask(row[None], VOCAB_SIZE)[0]
        total += float(logits[allowed].logsumexp(0) - logits.logsumexp(0))
        matcher.accept(token_id)
        text.append(token_id)
    return total


@settings(max_examples=25, deadline=None)
@given(constraint=st.sampled_from(CONSTRAINTS), seed=st.integers(0, 1000), length=st.integers(1, 12))
def test_a_generation_reports_the_sum(constraint: Constraint, seed: int, length: int) -> None:
    params = gen(length, temperature=1.0, frequency_penalty=0.5, ignore_eos=False).params
    (sample,) = Harness().answer([tokens(1, 2), Gen("x", params, constraint)], seed=seed).samples()
    assert sample.masked_log_mass is not None
    assert sample.masked_log_mass == pytest.approx(replayed(constraint, [1, 2], sample), abs=1e-3)
    if constraint != Regex("(?s).*"):
        assert sample.masked_log_mass < -1


def test_a_constraint_that_removes_nothing_reports_nothing() -> None:
    ids = tuple(token_id for token_id, data in enumerate(TOKENIZER.token_bytes) if data)
    row = torch.zeros(1, VOCAB_SIZE, dtype=torch.bool)
    row[0, list(ids)] = True
    logits = torch.full((1, VOCAB_SIZE), -torch.inf)
    logits[0, list(ids)] = 0.0
    assert float(log_allowed_mass(logits, pack_token_bitmask(row), torch.tensor([ids[0]]))) == 0.0


def test_the_meta_info_tells_it_of_constrained_values_only() -> None:
    (sample,) = Harness().answer([tokens(1, 2), Gen("x", gen(8).params, Choice(("yes", "no")))]).samples()
    meta = meta_info_of((sample,), "id")
    assert isinstance(meta, dict)
    assert meta["masked_log_mass"] == sample.masked_log_mass
    assert meta["masked_log_mass"] is not None
    assert math.isfinite(meta["masked_log_mass"])
    assert meta["forced_tokens"] == list(sample.forced)
    assert (meta["num_rollbacks"], meta["num_tokens_taken_back"]) == (0, 0)
    (free,) = Harness().answer([tokens(1, 2), gen(3)]).samples()
    assert free.masked_log_mass is None
    assert "masked_log_mass" not in meta_info_of((free,), "id")
