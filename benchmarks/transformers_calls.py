"""TransformersCalls: what a program that is written with plain transformers calls does, again and again."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import torch
from answer import Answer
from torch import Tensor

T = TypeVar("T")

_MAX_ROWS = 64
_MAX_SCORED_ROWS = 6  # of whole prompts with their choices; on a CPU larger batches of them are no faster


class Way(Enum):
    """How the calls are made; the value is what the table calls it."""

    BATCHED = "padded batches"
    """All texts that are open go through the model together, padded on the left."""
    ONE_BY_ONE = "one by one"
    CACHE_BY_HAND = "caches by hand, one by one"
    """Each text keeps its `past_key_values` from call to call; a fork copies them."""


@dataclass
class Tape:
    """A text that grows: its tokens, and text that waits to be tokenised."""

    token_ids: list[int] = field(default_factory=list)
    pending: str = ""
    cache: Any = None
    """A `DynamicCache` of the first tokens, where caches are kept."""

    def write(self, text: str) -> None:
        """Append text."""
        self.pending += text


class TransformersCalls:
    """`generate` and forward passes over tapes, and a record of what was written.

    A tape holds token ids: a text is tokenised once, what the model wrote never. That is less work than to tokenise
    the whole text for every call, and keeps the tokens those that palmette sees.
    """

    def __init__(self, model: Any, tokenizer: Any, way: Way) -> None:
        """`model`: causal, without an end-of-text token; `tokenizer`: with a padding token, on the left."""
        self._model = model
        self._tokenizer = tokenizer
        self._way = way
        self._answers: dict[str, list[Answer]] = {}

    @property
    def answers(self) -> list[Answer]:
        """What was written so far, name by name in the order of their first use."""
        return [answer for answers in self._answers.values() for answer in answers]

    def open(self, text: str) -> Tape:
        """A new tape."""
        return Tape(pending=text)

    def fork(self, tape: Tape, num_children: int) -> list[Tape]:
        """Tapes that begin with all of this one."""
        self._tokenize(tape)
        if self._keeps_caches:
            self._compute(tape, len(tape.token_ids) - 1)  # a child needs a token to go on from
        return [Tape(list(tape.token_ids), "", deepcopy(tape.cache)) for _ in range(num_children)]

    def parts(self, items: Sequence[T], num_choices: int | None = None) -> Iterator[Sequence[T]]:
        """The items in parts that go through the model together; with `num_choices`, to be scored for each item."""
        part_len = 1
        if self._way is Way.BATCHED:
            part_len = _MAX_ROWS if num_choices is None else max(1, _MAX_SCORED_ROWS // num_choices)
        for start in range(0, len(items), part_len):
            yield items[start : start + part_len]

    def generate(self, name: str, tapes: Sequence[Tape], num_tokens: int) -> list[str]:
        """Go on with each tape by `num_tokens` tokens, greedily; their texts."""
        texts = []
        for part in self.parts(tapes):
            for tape in part:
                self._tokenize(tape)
            for tape, written in zip(part, self._generate(part, num_tokens), strict=True):
                tape.token_ids += written
                self._record(name, Answer(len(written), tuple(written)))
                texts.append(self._tokenizer.decode(written, skip_special_tokens=True))
        return texts

    def select(self, name: str, tapes: Sequence[Tape], choices: Sequence[str]) -> list[str]:
        """Append to each tape the choice whose tokens have the highest mean log-probability; the choices."""
        picks = []
        for tape, scores in zip(tapes, self.score(tapes, choices), strict=True):
            winner = scores.index(max(scores))
            tape.write(choices[winner])
            self._tokenize(tape)
            self._record(name, Answer(1, (winner,)))
            picks.append(choices[winner])
        return picks

    def score(self, tapes: Sequence[Tape], choices: Sequence[str]) -> list[list[float]]:
        """The mean log-probability of the tokens of each choice after each tape."""
        choice_ids = [self._tokenizer(choice)["input_ids"] for choice in choices]
        scores: list[list[float]] = []
        for part in self.parts(tapes, len(choices)):
            for tape in part:
                self._tokenize(tape)
            scores += [self._score_cached(part[0], choice_ids)] if self._keeps_caches else self._score(part, choice_ids)
        return scores

    @property
    def _keeps_caches(self) -> bool:
        return self._way is Way.CACHE_BY_HAND

    def _record(self, name: str, answer: Answer) -> None:
        self._answers.setdefault(name, []).append(answer)

    def _tokenize(self, tape: Tape) -> None:
        if tape.pending:
            tape.token_ids += self._tokenizer(tape.pending)["input_ids"]
            tape.pending = ""

    def _generate(self, tapes: Sequence[Tape], num_tokens: int) -> list[list[int]]:
        padded = self._tokenizer.pad({"input_ids": [tape.token_ids for tape in tapes]}, return_tensors="pt")
        caches: dict[str, Any] = {}
        if self._keeps_caches:
            (tape,) = tapes
            caches["past_key_values"] = self._cache_of(tape)
        output = self._model.generate(
            input_ids=padded["input_ids"],
            attention_mask=padded["attention_mask"],
            max_new_tokens=num_tokens,
            do_sample=False,
            pad_token_id=self._tokenizer.pad_token_id,
            **caches,
        )
        rows: list[list[int]] = output[:, padded["input_ids"].shape[1] :].tolist()
        return rows

    def _score(self, tapes: Sequence[Tape], choice_ids: Sequence[list[int]]) -> list[list[float]]:
        padded = self._tokenizer.pad(
            {"input_ids": [tape.token_ids + ids for tape in tapes for ids in choice_ids]}, return_tensors="pt"
        )
        input_ids, mask = padded["input_ids"], padded["attention_mask"]
        longest = max(map(len, choice_ids))
        logits = self._model(
            input_ids=input_ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=longest + 1,
        ).logits  # [num_rows, longest + 1, vocab_size]: the last is what follows the choice
        taken = _logprobs_of(logits[:, :-1], input_ids[:, -longest:])
        rows = iter(taken)
        return [[float(next(rows)[longest - len(ids) :].mean()) for ids in choice_ids] for _ in tapes]

    def _score_cached(self, tape: Tape, choice_ids: Sequence[list[int]]) -> list[float]:
        """All but the last token of the tape are computed into its cache, which is then repeated."""
        self._compute(tape, len(tape.token_ids) - 1)
        cache = deepcopy(tape.cache)
        cache.batch_repeat_interleave(len(choice_ids))
        longest = max(map(len, choice_ids))
        last = tape.token_ids[-1]
        # What stands after a choice to fill its row is not read.
        input_ids = torch.tensor([[last, *ids, *[last] * (longest - len(ids))] for ids in choice_ids])
        logits = self._model(input_ids=input_ids, past_key_values=cache, use_cache=True).logits
        taken = _logprobs_of(logits[:, :-1], input_ids[:, 1:])
        return [float(row[: len(ids)].mean()) for row, ids in zip(taken, choice_ids, strict=True)]

    def _compute(self, tape: Tape, num_tokens: int) -> None:
        """Bring the cache of a tape to `num_tokens` tokens."""
        cache = self._cache_of(tape)
        rest = tape.token_ids[cache.get_seq_length() : num_tokens]
        if rest:
            self._model(input_ids=torch.tensor([rest]), past_key_values=cache, use_cache=True, logits_to_keep=1)

    def _cache_of(self, tape: Tape) -> Any:
        from transformers import DynamicCache  # here, since palmette's side reads this file, too, and must not load it

        if tape.cache is None:
            tape.cache = DynamicCache(config=self._model.config)
        return tape.cache


def _logprobs_of(
    logits: Tensor,  # [num_rows, num_tokens, vocab_size] float32
    token_ids: Tensor,  # [num_rows, num_tokens] int64
) -> Tensor:
    """Log-probability of each token, [num_rows, num_tokens]."""
    return logits.log_softmax(-1).gather(2, token_ids[..., None])[..., 0]
