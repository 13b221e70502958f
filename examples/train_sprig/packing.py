"""Packs whole samples into rows of a fixed length, each token with its weight in the loss."""

from pathlib import Path

import numpy as np
import torch
from draw import Draw
from generate import samples
from sample import Sample
from template import render
from tokenizers import Tokenizer
from torch import Tensor

OTHER_CHAT = 0.15  # weight of what the user, the system and the tools say
RAW_PROMPT = 0.5  # weight of raw text before its answer
BUFFER = 192  # samples at hand when a row is filled


class Packer:
    """Endless batches. Documents are separated by `<|endoftext|>`; attention does cross them; no sample is cut."""

    def __init__(self, tokenizer_file: Path, seed: str, row_len: int, long_share: float) -> None:
        self.tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self.end, self.start, self.stop = (
            self.tokenizer.token_to_id(token) for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
        )
        self.assistant = self.tokenizer.encode("assistant\n").ids
        self.row_len = row_len
        self.stream = samples(Draw(seed), long_share)
        self.buffer: list[tuple[list[int], list[float]]] = []

    def weigh(self, sample: Sample, ids: list[int]) -> list[float]:
        if not sample.messages:
            num_answer = len(self.tokenizer.encode(sample.answer + "\n").ids)
            return [RAW_PROMPT] * (len(ids) - num_answer) + [1.0] * num_answer
        weights, inside, position = [OTHER_CHAT] * len(ids), False, 0
        while position < len(ids):
            if ids[position] == self.start and ids[position + 1 : position + 1 + len(self.assistant)] == self.assistant:
                inside, position = True, position + 1 + len(self.assistant)
                continue
            if inside:
                weights[position] = 1.0
                inside = ids[position] != self.stop
            position += 1
        return weights

    def _refill(self) -> None:
        fresh = [next(self.stream) for _ in range(BUFFER)]
        for sample, encoding in zip(fresh, self.tokenizer.encode_batch([render(s) for s in fresh]), strict=True):
            if len(encoding.ids) < self.row_len:
                self.buffer.append(([*encoding.ids, self.end], [*self.weigh(sample, encoding.ids), 1.0]))

    def row(self) -> tuple[list[int], list[float]]:
        """Fill a row: samples in the order drawn, then whatever still fits."""
        ids: list[int] = []
        weights: list[float] = []
        if len(self.buffer) < BUFFER // 2:
            self._refill()
        kept = []
        for one, weight in self.buffer:
            if len(ids) + len(one) <= self.row_len + 1:
                ids += one
                weights += weight
            else:
                kept.append((one, weight))
        self.buffer = kept
        missing = self.row_len + 1 - len(ids)
        return ids + [self.end] * missing, weights + [0.0] * missing

    def batch(self, num_rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """inputs, targets: [num_rows, row_len] int64; weights: [num_rows, row_len] float32."""
        rows = [self.row() for _ in range(num_rows)]
        ids = torch.from_numpy(np.array([row[0] for row in rows], dtype=np.int64))
        weights = torch.from_numpy(np.array([row[1] for row in rows], dtype=np.float32))
        return ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), weights[:, 1:].contiguous()
