"""A constrained generation as a depth-first search in which everything is computed from scratch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from engine_harness import TOKENIZER, VOCAB_SIZE
from guarded_grammar import EOS, GuardedGrammar, row_of
from hash_model import naive_logits

from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.config import RollbackBudget
from palmette.runtime.sampler import Sampler, SampleRow


@dataclass
class Search:
    """How a search ended, and what it cost."""

    token_ids: tuple[int, ...] = ()
    """Without an end-of-text."""
    is_dead: bool = False
    num_rollbacks: int = 0
    num_tokens_taken_back: int = 0
    log_mass: float = 0.0
    forced: tuple[int, ...] = ()
    text: str | None = None
    """Where a stop string ended it: what comes before."""


def search(
    prompt: Sequence[int], params: SamplingParams, grammar: GuardedGrammar, seed: int, path: int, budget: RollbackBudget
) -> Search:
    """What the engine must do: bans are kept by the whole text before them, and nothing else is remembered."""
    found, ids, rivals = Search(), list[int](), list[bool]()
    masses, forced = list[float](), list[int]()
    bans: dict[tuple[int, ...], set[int]] = {}
    while len(ids) < params.max_new_tokens and not grammar.is_over(ids):
        allowed = [each for each in grammar.allowed(ids) if each not in bans.get(tuple(ids), ())]
        if not allowed:
            oldest = grammar.first_revocable(ids)
            choices = [index for index in range(oldest, len(ids)) if rivals[index]]
            num_back = len(ids) - choices[-1] if choices else 0
            if not choices or found.num_rollbacks >= budget.max_rollbacks:
                found.is_dead = True
                return found
            if found.num_tokens_taken_back + num_back > budget.max_tokens:
                found.is_dead = True
                return found
            found.num_rollbacks += 1
            found.num_tokens_taken_back += num_back
            bans.setdefault(tuple(ids[: choices[-1]]), set()).add(ids[choices[-1]])
            del ids[choices[-1] :], rivals[choices[-1] :], masses[choices[-1] :]
            forced = [index for index in forced if index < len(ids)]
            continue
        no_end = params.ignore_eos or len(ids) < params.min_new_tokens
        if no_end and allowed == [EOS]:
            break
        text = [*prompt, *ids]
        logits = torch.from_numpy(naive_logits(text, VOCAB_SIZE))
        row = SampleRow(
            params=params,
            seed=seed if params.seed is None else params.seed,
            path=path,
            position=len(text),
            bitmask=row_of(allowed),
            banned_token_ids=(EOS,) if no_end else (),
            output_counts=Counter(ids),
            seen_token_ids=set(text),
        )
        (sampled,) = Sampler(VOCAB_SIZE).sample(logits[None], [row])
        masses.append(float(logits.double()[allowed].logsumexp(0) - logits.double().logsumexp(0)))
        if len(allowed) == 1:
            forced.append(len(ids))
        if sampled.token_id == EOS:
            break
        ids.append(sampled.token_id)
        rivals.append(len(allowed) > 1)
        found.text = _stopped(grammar, ids, params.stop)
        if found.text is not None:
            break
    found.token_ids, found.log_mass, found.forced = tuple(ids), sum(masses), tuple(forced)
    return found


def _stopped(grammar: GuardedGrammar, ids: Sequence[int], stops: Sequence[str]) -> str | None:
    """The text before a stop that the last token completed, if it may end there; for tokens of plain ASCII."""
    before, text = (TOKENIZER.decode(list(each)) for each in (ids[:-1], ids))
    for stop in stops:
        start = text.find(stop, max(0, len(before) - len(stop) + 1))
        kept = [num for num in range(len(ids)) if len(TOKENIZER.decode(list(ids[:num]))) == start]
        if start >= 0 and kept and grammar.is_completed(kept[-1]):
            return text[:start]
    return None
