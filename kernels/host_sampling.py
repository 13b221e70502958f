"""Sampling without a device's kernel: what C or PyTorch can do at once is done for all rows at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from .choice import Choice, Chosen
from .cpu import sampling as cpu
from .cpu.library import CpuLibrary, cpu_library
from .draw import Draw
from .logit_entries import LogitEntries
from .sampling import draw_tokens, log_allowed_mass, top_tokens
from .token_bitmask import apply_token_bitmask


@dataclass(frozen=True, slots=True)
class _Pick:
    """A token that only a mask and noise stand before."""

    logits: Tensor  # [vocab_size] float32
    bitmask: Tensor | None = None
    draw: Draw | None = None  # not filtered; None: the most likely token

    def for_c(self) -> cpu.CpuDraw:
        draw = self.draw or _GREEDY
        return cpu.CpuDraw(self.logits, self.bitmask, draw.temperature, draw.seed, draw.path, draw.position)


_GREEDY: Final = Draw(temperature=0.0, top_k=None, top_p=1.0, min_p=0.0, seed=0, path=0, position=0)


def sample_on_host(logits: Tensor, choices: Sequence[Choice]) -> list[Chosen]:
    """See `TokenSampler.sample`; [num_rows, vocab_size] float32."""
    if not choices:
        return []
    library = cpu_library() if logits.device.type == "cpu" and logits.stride(-1) == 1 else None
    rows = list(logits)
    sources = _adjusted(logits, rows, choices)
    filtered = [i for i, choice in enumerate(choices) if _is_filtered(choice)]
    picks = [_Pick(source, choice.bitmask, choice.draw) for source, choice in zip(sources, choices, strict=True)]
    for i in filtered:
        picks[i] = _Pick(sources[i])  # its mask is in the logits; for the best of them
    # A mask or an adjustment may hide a NaN: those rows are looked at as they came, too.
    hidden = [i for i, choice in enumerate(choices) if choice.bitmask is not None or sources[i] is not rows[i]]
    if library is not None:
        raw_picks = [_Pick(rows[i]) for i in hidden]
        token_ids, best = cpu.choose_tokens(library, [pick.for_c() for pick in picks + raw_picks])
        raw_best = dict(zip(hidden, best[len(picks) :], strict=True))
    else:
        token_ids, best = _pick(torch.stack(sources) if hidden else logits, picks)
        raw_best = dict(enumerate(logits.amax(dim=-1).tolist())) if hidden else {}
    for i, value in raw_best.items():
        if not math.isfinite(value):
            best[i] = value
    draws = {i: draw for i in filtered if (draw := choices[i].draw) is not None and math.isfinite(best[i])}
    if draws:
        is_whole = len(draws) == len(choices) and not hidden
        part = logits if is_whole else torch.stack([sources[i] for i in draws])
        for i, token_id in zip(draws, draw_tokens(part, list(draws.values())).tolist(), strict=True):
            token_ids[i] = token_id
    chosen = [_report(row, choices[i], token_ids[i], best[i]) for i, row in enumerate(rows)]
    return _with_masses(library, rows, choices, chosen)


def _is_filtered(choice: Choice) -> bool:
    return choice.draw is not None and choice.draw.is_filtered


def _adjusted(logits: Tensor, rows: Sequence[Tensor], choices: Sequence[Choice]) -> list[Tensor]:
    """What each row is drawn from: its own logits, or a copy that is adjusted, and masked if filters follow."""
    masked = [i for i, choice in enumerate(choices) if choice.bitmask is not None and _is_filtered(choice)]
    index = masked + [i for i, choice in enumerate(choices) if choice.adjustments and i not in set(masked)]
    sources = list(rows)
    if not index:
        return sources
    copies = logits.index_select(0, torch.tensor(index, device=logits.device))
    LogitEntries([choices[i].adjustments for i in index], logits.shape[1]).apply(copies)
    if masked:
        bitmasks = torch.stack([mask for i in masked if (mask := choices[i].bitmask) is not None])
        apply_token_bitmask(copies[: len(masked)], bitmasks.to(logits.device))
    for i, copy in zip(index, copies, strict=True):
        sources[i] = copy
    return sources


def _pick(logits: Tensor, picks: Sequence[_Pick]) -> tuple[list[int], list[float]]:
    """argmax(logits / temperature + noise) over what each mask allows, and the best logit of these, in PyTorch.

    logits: [num_rows, vocab_size], those of the picks; masked here. A token is not to be used where the best logit is
    not finite: -inf where nothing is allowed, NaN where one is.
    """
    for row, pick in zip(logits, picks, strict=True):
        if pick.bitmask is not None:
            apply_token_bitmask(row[None], pick.bitmask[None].to(row.device))
    largest, greedy = logits.max(dim=-1)
    best: list[float] = largest.tolist()
    token_ids: list[int] = greedy.tolist()
    drawn = [(i, pick.draw) for i, pick in enumerate(picks) if pick.draw and math.isfinite(best[i])]
    if drawn:
        index = [i for i, _ in drawn]
        part = logits if len(index) == len(picks) else logits[index]
        for i, token_id in zip(index, draw_tokens(part, [draw for _, draw in drawn]).tolist(), strict=True):
            token_ids[i] = token_id
    return token_ids, best


def _report(logits: Tensor, choice: Choice, token_id: int, best: float) -> Chosen:
    """What is told of a row's own logits, [vocab_size]."""
    if not (choice.wants_logprob or choice.num_top_logprobs) or not math.isfinite(best):
        return Chosen(token_id, best)
    # One call makes all of them in half the time of exponentials, sum and logarithm, which would do.
    logprobs = torch.log_softmax(logits, dim=-1, dtype=torch.float64)
    top_ids = top_tokens(logits, choice.num_top_logprobs)
    top = tuple(zip(top_ids.tolist(), logprobs[top_ids].tolist(), strict=True))
    return Chosen(token_id, best, float(logprobs[token_id]) if choice.wants_logprob else None, top)


def _with_masses(
    library: CpuLibrary | None, rows: Sequence[Tensor], choices: Sequence[Choice], chosen: list[Chosen]
) -> list[Chosen]:
    """The same, with the mass that each mask leaves."""
    picks = {
        i: _Pick(rows[i], choice.bitmask)
        for i, choice in enumerate(choices)
        if choice.bitmask is not None and math.isfinite(chosen[i].best)
    }
    if not picks:
        return chosen
    if library is not None:
        masses = cpu.log_masses(library, [pick.for_c() for pick in picks.values()])
    else:
        logits = torch.stack([pick.logits for pick in picks.values()])
        bitmasks = torch.stack([pick.bitmask for pick in picks.values() if pick.bitmask is not None])
        token_ids = torch.tensor([chosen[i].token_id for i in picks], device=logits.device)
        masses = log_allowed_mass(logits, bitmasks.to(logits.device), token_ids).tolist()
    by_row = dict(zip(picks, masses, strict=True))
    return [replace(each, log_mass=by_row[i]) if i in by_row else each for i, each in enumerate(chosen)]
