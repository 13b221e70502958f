"""SelectTask: scores all choices of a selection over one token tree."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...kernels.philox import gumbel
from ...kernels.upload import upload
from ...lang.events import SelectResult, TokenLogprob
from ...lang.ir import ChoicesMethod, Select
from ..branch import Branch
from ..token_tree import TokenTree
from .task import Task


@dataclass(eq=False)
class SelectTask(Task):
    """Finds the log-probability of every token of every choice after the branch's tape.

    All choices go through the model as one tree on the shared prefix, so a token that two choices share is
    computed once. A tree larger than `max_nodes` is cut into several passes; answers do not depend on the cut.
    """

    branch: Branch
    choice_tokens: list[list[int]]
    max_nodes: int
    token_logprobs: dict[int, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._root: Tensor | None = None  # [vocab_size] log-probabilities after the tape
        self._groups = self._cut_into_groups()

    @property
    def compute_len(self) -> int:
        """The whole tape: what follows it is wanted."""
        return len(self.branch.token_ids)

    @property
    def tree(self) -> TokenTree | None:
        """The tree of the choices whose turn it is."""
        return self._groups[0][0] if self._groups else None

    @property
    def is_done(self) -> bool:
        """Whether all choices are scored."""
        return not self._groups

    def receive_tree(self, root: Tensor | None, nodes: Tensor) -> None:
        """Take the logits and score the choices of this group."""
        tree, members = self._groups.pop(0)
        if root is not None:
            self._root = torch.log_softmax(root, dim=-1)
        assert self._root is not None, "the tape's last token was never computed for this selection"
        after = torch.log_softmax(nodes, dim=-1)
        row_of = {node: row for row, node in enumerate(tree.inner_nodes())}
        firsts = {index: self.choice_tokens[index][0] for index in members}
        places = [
            (row_of[node], token)
            for index, path in members.items()
            for node, token in zip(path, self.choice_tokens[index][1:], strict=False)
        ]
        # Read at once: each read of its own would wait for the device.
        of_firsts = _read(self._root[None], [(0, token) for token in firsts.values()])
        of_others = iter(_read(after, places))
        for (index, path), first in zip(members.items(), of_firsts, strict=True):
            num_others = min(len(path), len(self.choice_tokens[index]) - 1)
            self.token_logprobs[index] = [first, *itertools.islice(of_others, num_others)]

    def _cut_into_groups(self) -> list[tuple[TokenTree, dict[int, list[int]]]]:
        groups: list[tuple[TokenTree, dict[int, list[int]]]] = []
        for index, tokens in enumerate(self.choice_tokens):
            if not groups or len(groups[-1][0]) + groups[-1][0].num_new_nodes(tokens) > self.max_nodes:
                groups.append((TokenTree(), {}))
            tree, members = groups[-1]
            members[index] = tree.add_path(tokens)
        return groups


def _read(values: Tensor, places: Sequence[tuple[int, int]]) -> list[float]:
    """The numbers at (row, column) of [num_rows, num_columns]."""
    if not places:
        return []
    rows, columns = upload(torch.tensor(places), values.device).unbind(1)
    numbers: list[float] = values[rows, columns].tolist()
    return numbers


def decide(
    select: Select, task: SelectTask, baseline: SelectTask | None, cached_tokens: int
) -> tuple[int, SelectResult]:
    """The index of the choice that wins, and the whole result.

    `baseline`: the same choices scored without the text before them, for the method that divides by it. With a
    temperature, the winner is drawn from softmax(scores / temperature), with the branch's noise at the end of its tape.
    """
    logprobs = [task.token_logprobs[index] for index in range(len(select.choices))]
    unconditional = [baseline.token_logprobs[index] for index in range(len(select.choices))] if baseline else None
    scores = _scores(select.method, logprobs, unconditional)
    ranking = scores
    if select.temperature > 0:
        branch = task.branch
        noise = gumbel([branch.seed], [branch.path], [len(branch.token_ids)], len(scores))[0].tolist()
        ranking = [score / select.temperature + each for score, each in zip(scores, noise, strict=True)]
    winner = max(range(len(ranking)), key=lambda index: ranking[index])
    sums = [math.fsum(each) for each in logprobs]
    peak = max(sums)
    weights = [math.exp(each - peak) for each in sums]
    total = math.fsum(weights)
    result = SelectResult(
        choice=select.choices[winner],
        choices=select.choices,
        scores=tuple(scores),
        logprobs=tuple(sums),
        probabilities=tuple(weight / total for weight in weights),
        token_logprobs=tuple(
            tuple(TokenLogprob(token_id, logprob) for token_id, logprob in zip(tokens, each, strict=True))
            for tokens, each in zip(task.choice_tokens, logprobs, strict=True)
        ),
        prompt_tokens=len(task.branch.token_ids),
        cached_tokens=cached_tokens,
    )
    return winner, result


def _scores(
    method: ChoicesMethod, logprobs: Sequence[Sequence[float]], unconditional: Sequence[Sequence[float]] | None
) -> list[float]:
    if method == "token_length_normalized":
        return [_mean(each) for each in logprobs]
    if method == "greedy_token_selection":
        return _greedy_scores(logprobs)
    assert unconditional is not None, method
    return [_mean(each) - _mean(base) for each, base in zip(logprobs, unconditional, strict=True)]


def _greedy_scores(logprobs: Sequence[Sequence[float]]) -> list[float]:
    """For how many steps each choice is among the best, when only the best token goes on at each step.

    A choice that has ended goes on with its mean, so that it can be weighed against one that it begins.
    """
    means = [_mean(each) for each in logprobs]
    longest = max(len(each) for each in logprobs)
    scores = [float(longest)] * len(logprobs)
    alive = list(range(len(logprobs)))
    for step in range(longest):
        values = {index: logprobs[index][step] if step < len(logprobs[index]) else means[index] for index in alive}
        best = max(values.values())
        for index in alive:
            if values[index] < best:
                scores[index] = float(step)
        alive = [index for index in alive if values[index] == best]
        if len(alive) == 1:
            break
    return scores


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
