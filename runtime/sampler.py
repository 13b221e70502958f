"""Sampler: logits, masks, penalties and noise in, one token a row out, with the log-probabilities asked for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..kernels.draw import Draw
from ..kernels.sampling import (
    Choice,
    add_to_logits,
    apply_repetition_penalties,
    best_tokens,
    choose_tokens,
    draw_tokens,
    log_allowed_masses,
    log_probabilities,
    top_tokens,
)
from ..kernels.token_bitmask import apply_token_bitmask, mask_words
from ..lang.sampling_params import SamplingParams


class SamplingError(Exception):
    """Rows from which no token can be sampled; the others may be sampled again without them, with the same tokens."""

    def __init__(self, rows: Sequence[int], message: str) -> None:
        self.rows = tuple(rows)
        """Indices of all such rows."""
        super().__init__(f"row {', '.join(map(str, rows))}: {message}")


class NoTokenAllowed(SamplingError):
    """The grammar, the bans and the bias together forbid every token of a row."""

    def __init__(self, rows: Sequence[int]) -> None:
        super().__init__(rows, "expected at least one allowed token, got none after mask, bans and bias")


class InvalidLogits(SamplingError):
    """A row's logits have a NaN or +inf, from the model or from a bias too large."""

    def __init__(self, rows: Sequence[int]) -> None:
        super().__init__(rows, "expected finite logits (or -inf), got NaN or +inf; look at the weights and the bias")


@dataclass(frozen=True, slots=True)
class SampleRow:
    """What the token of one row depends on, besides its logits; made fresh for each step."""

    params: SamplingParams
    seed: int  # 64-bit key of the noise
    path: int  # 64-bit hash of the branch's path
    position: int  # index, in the text, of the token being sampled
    bitmask: Tensor | None = None  # [mask_words] int32, the tokens the grammar allows
    banned_token_ids: Collection[int] = ()  # not allowed now, as end-of-text before min_new_tokens
    output_counts: Mapping[int, int] = field(default_factory=dict)  # tokens generated so far, by id
    seen_token_ids: Collection[int] = ()  # prompt and output; read when there is a repetition penalty
    wants_logprob: bool = False
    num_top_logprobs: int = 0

    @property
    def is_adjusted(self) -> bool:
        """Whether the token depends on more than the raw logits and the noise."""
        return self.bitmask is not None or self.has_other_logits

    @property
    def has_other_logits(self) -> bool:
        """Whether logits are changed by more than the mask."""
        params = self.params
        return (
            bool(self.banned_token_ids)
            or bool(params.logit_bias)
            or (params.repetition_penalty != 1 and bool(self.seen_token_ids))
            or ((params.frequency_penalty != 0 or params.presence_penalty != 0) and bool(self.output_counts))
        )


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A token, and what the raw model thought of it and of its rivals."""

    token_id: int
    logprob: float | None  # None when not asked for
    top: tuple[tuple[int, float], ...]  # (token_id, logprob), most likely first, lowest id first among equals
    masked_log_mass: float | None = None
    """log of the probability that the raw model, at temperature 1 and before penalties, bias and bans, gives to what
    the row's bitmask allows: 0 where that is everything; None where the row has no bitmask."""


class Sampler:
    """Picks the token of each row; a pure function of the row's own logits and its `SampleRow`, to the last bit.

    Order: repetition penalty, frequency and presence penalties, logit_bias, grammar mask and bans, temperature, top-k,
    top-p, min-p, then argmax(logits / temperature + gumbel(seed, path, position)); at temperature 0 the argmax, the
    lowest id among equals. So a row gives the same token in any batch, at any step, drafted or not. Log-probabilities
    and the mass that a mask leaves are those of the raw model, before all of this; the mass is a report only, and may
    differ in its last bits from batch to batch.
    """

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def sample(self, logits: Tensor, rows: Sequence[SampleRow]) -> list[SampledToken]:
        """One token a row; logits: [num_rows, vocab_size] float32, left as they are.

        Raises `InvalidLogits` for rows with NaN or +inf, `NoTokenAllowed` for rows where everything is forbidden (no
        token of the other rows is lost: sample them again), and ValueError for a token id outside the vocabulary.
        """
        expected = (len(rows), self.vocab_size)
        assert tuple(logits.shape) == expected, (
            f"sample: expected logits of shape {expected}, got {tuple(logits.shape)}"
        )
        assert logits.dtype == torch.float32, f"sample: expected float32 logits, got {logits.dtype}"
        if not rows:
            return []
        for i, row in enumerate(rows):
            assert row.bitmask is None or tuple(row.bitmask.shape) == (mask_words(self.vocab_size),), (
                f"row {i}: expected a bitmask of {mask_words(self.vocab_size)} words, got {tuple(row.bitmask.shape)}"
            )
        token_ids, best = best_tokens(logits)
        _check_best(dict(enumerate(best)))
        index = [i for i, row in enumerate(rows) if row.params.temperature > 0 or row.is_adjusted]
        # What only a mask and noise stand between needs no logits of its own.
        direct = [i for i in index if not rows[i].has_other_logits and not _is_filtered(rows[i])]
        others = [i for i in index if rows[i].has_other_logits or _is_filtered(rows[i])]
        other_rows = [rows[i] for i in others]
        bests: dict[int, float] = {}
        if direct:
            chosen, best = choose_tokens([Choice(logits[i], rows[i].bitmask, _draw(rows[i])) for i in direct])
            bests.update(zip(direct, best, strict=True))
            for i, token_id in zip(direct, chosen, strict=True):
                token_ids[i] = token_id
        other_logits = logits[others]  # a copy
        if any(row.is_adjusted for row in other_rows):
            self._adjust(other_logits, other_rows)
            bests.update(zip(others, other_logits.amax(dim=-1).tolist(), strict=True))
        _check_best(bests)
        for i, token_id in zip(others, self._sample_adjusted(other_logits, other_rows), strict=True):
            token_ids[i] = token_id
        masses = _log_masses(logits, rows, token_ids)
        return [_report(logits[i], row, token_ids[i], masses.get(i)) for i, row in enumerate(rows)]

    def _sample_adjusted(self, logits: Tensor, rows: Sequence[SampleRow]) -> list[int]:
        """The tokens of rows whose logits are as they are to be drawn from: [num_rows, vocab_size]."""
        is_filtered = [_is_filtered(row) for row in rows]
        token_ids = [0] * len(rows)
        # Rows without filters stay clear of the sort that the others need.
        for group in (
            [i for i in range(len(rows)) if is_filtered[i]],
            [i for i in range(len(rows)) if not is_filtered[i]],
        ):
            if not group:
                continue
            if is_filtered[group[0]]:
                part = logits if len(group) == len(rows) else logits[group]
                chosen: list[int] = draw_tokens(part, [_required_draw(rows[i]) for i in group]).tolist()
            else:
                chosen, _ = choose_tokens([Choice(logits[i], None, _draw(rows[i])) for i in group])
            for i, token_id in zip(group, chosen, strict=True):
                token_ids[i] = token_id
        return token_ids

    def _adjust(self, logits: Tensor, rows: Sequence[SampleRow]) -> None:
        """Penalties, bias, masks and bans, in place."""
        repeated = _Entries(self.vocab_size, "seen_token_ids")
        counted = _Entries(self.vocab_size, "output_counts")
        biased = _Entries(self.vocab_size, "logit_bias")
        banned = _Entries(self.vocab_size, "banned_token_ids")
        for i, row in enumerate(rows):
            params = row.params
            if params.repetition_penalty != 1 and row.seen_token_ids:
                repeated.add(i, row.seen_token_ids, [params.repetition_penalty] * len(row.seen_token_ids))
            if (params.frequency_penalty or params.presence_penalty) and row.output_counts:
                amounts = [-n * params.frequency_penalty - params.presence_penalty for n in row.output_counts.values()]
                counted.add(i, row.output_counts, amounts)
            if params.logit_bias:
                biased.add(i, params.logit_bias, params.logit_bias.values())
            if row.banned_token_ids:
                banned.add(i, row.banned_token_ids, [-torch.inf] * len(row.banned_token_ids))
        if repeated:
            apply_repetition_penalties(logits, *repeated.tensors(logits.device))
        for entries in (counted, biased):
            if entries:
                add_to_logits(logits, *entries.tensors(logits.device))
        self._apply_masks(logits, rows)
        if banned:
            flat_ids, minus_inf = banned.tensors(logits.device)
            logits.view(-1)[flat_ids] = minus_inf

    def _apply_masks(self, logits: Tensor, rows: Sequence[SampleRow]) -> None:
        index, bitmasks = _bitmasks(rows, logits.device)
        if not index:
            return
        if len(index) == len(rows):
            apply_token_bitmask(logits, bitmasks)
            return
        part = logits[index]
        apply_token_bitmask(part, bitmasks)
        logits[index] = part


class _Entries:
    """Values for single tokens of single rows, gathered for one tensor operation."""

    def __init__(self, vocab_size: int, name: str) -> None:
        self._vocab_size = vocab_size
        self._name = name
        self._flat_ids: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        self._values: list[float] = []

    def __bool__(self) -> bool:
        return bool(self._flat_ids)

    def add(self, row_id: int, token_ids: Collection[int], values: Iterable[float]) -> None:
        ids = np.fromiter(token_ids, dtype=np.int64, count=len(token_ids))
        # An id outside would reach into a neighbour's row.
        if ids.min() < 0 or ids.max() >= self._vocab_size:
            wrong = [int(i) for i in ids if not 0 <= i < self._vocab_size]
            raise ValueError(f"{self._name}: expected token ids in [0, {self._vocab_size}), got {wrong[:8]}")
        self._flat_ids.append(ids + row_id * self._vocab_size)
        self._values.extend(values)

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """(row * vocab_size + token_id as int64, values as float32), each [num_entries]."""
        flat_ids = torch.from_numpy(np.concatenate(self._flat_ids)).to(device)
        return flat_ids, torch.tensor(self._values, dtype=torch.float32, device=device)


def _required_draw(row: SampleRow) -> Draw:
    params = row.params
    return Draw(params.temperature, params.top_k, params.top_p, params.min_p, row.seed, row.path, row.position)


def _draw(row: SampleRow) -> Draw | None:
    """None: the most likely token."""
    return _required_draw(row) if row.params.temperature > 0 else None


def _is_filtered(row: SampleRow) -> bool:
    draw = _draw(row)
    return draw is not None and draw.is_filtered


def _check_best(best: Mapping[int, float]) -> None:
    """Raise for rows whose largest logit, by the caller's index, is no finite number."""
    invalid = sorted(i for i, value in best.items() if not value < torch.inf)
    if invalid:
        raise InvalidLogits(invalid)
    forbidden = sorted(i for i, value in best.items() if value == -torch.inf)
    if forbidden:
        raise NoTokenAllowed(forbidden)


def _bitmasks(rows: Sequence[SampleRow], device: torch.device) -> tuple[list[int], Tensor]:
    """The rows that have a bitmask, and their masks: [num_masked, mask_words] int32."""
    masked = [(i, row.bitmask) for i, row in enumerate(rows) if row.bitmask is not None]
    if not masked:
        return [], torch.zeros((0, 0), dtype=torch.int32, device=device)
    return [i for i, _ in masked], torch.stack([bitmask for _, bitmask in masked]).to(device)


def _log_masses(logits: Tensor, rows: Sequence[SampleRow], token_ids: Sequence[int]) -> dict[int, float]:
    """What the masks leave of the raw model's probability, by row."""
    index, bitmasks = _bitmasks(rows, logits.device)
    if not index:
        return {}
    masses = log_allowed_masses(logits, index, bitmasks, [token_ids[i] for i in index])
    return dict(zip(index, masses, strict=True))


def _report(raw_logits: Tensor, row: SampleRow, token_id: int, log_mass: float | None) -> SampledToken:
    if not row.wants_logprob and row.num_top_logprobs == 0:
        return SampledToken(token_id, None, (), log_mass)
    logprobs = log_probabilities(raw_logits)
    logprob = float(logprobs[token_id]) if row.wants_logprob else None
    top_ids = top_tokens(raw_logits, row.num_top_logprobs)
    top = tuple(zip(top_ids.tolist(), logprobs[top_ids].tolist(), strict=True))
    return SampledToken(token_id, logprob, top, log_mass)
