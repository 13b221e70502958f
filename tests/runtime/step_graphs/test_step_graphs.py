"""A pass in a graph is the pass: the same logits and cells to the last bit, padded or not, with trees or without."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_texts import PassTexts, Turn, tiny_decoder

from palmette.kernels.cpu.library import cpu_library
from palmette.runtime.assembly import SPRIG
from palmette.runtime.models.decoder import Decoder
from palmette.runtime.models.loader import load_model
from palmette.runtime.step_graphs.buckets import Buckets
from palmette.runtime.step_graphs.graph_recorder import CallAgain
from palmette.runtime.step_graphs.step_graphs import StepGraphs

pytestmark = pytest.mark.skipif(cpu_library() is None, reason="without the C kernels bits depend on the batch")

NUM_TEXTS, MAX_LEN, PAGE_SIZE, MAX_TOKENS = 5, 60, 4, 24


@cache
def model(name: str) -> Decoder:
    if name == "sprig":
        return load_model(SPRIG, dtype=torch.float32).model
    return tiny_decoder(window=7 if name == "windowed" else None)


class Sides:
    """One series of passes, with graphs in a pool with scratch, and without."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self.model = model(name)
        self.texts = PassTexts(NUM_TEXTS, MAX_LEN, PAGE_SIZE, seed=seed)
        self.plain_pool = self.texts.pool(self.model)
        self.pool = self.texts.pool(self.model, MAX_TOKENS)
        self.graphs = StepGraphs(self.model, self.pool, CallAgain(), Buckets(MAX_TOKENS, MAX_LEN))

    def check(self, turns: list[Turn], *, wants_all: bool = True) -> None:
        batch = self.texts.batch(turns, wants_all=wants_all)
        expected = self.model.forward(batch, self.plain_pool)
        self.ruin()
        logits = self.graphs.forward(batch, self.pool)
        assert torch.equal(logits, expected)
        assert torch.equal(self.pool.cells[:, :, : self.texts.num_pages], self.plain_pool.cells)

    @torch.inference_mode()
    def ruin(self) -> None:
        """What is not written by the next pass must not matter to it: inputs, logits, and cells of scratch."""
        self.pool.cells[:, :, self.texts.num_pages :] = torch.nan
        self.graphs._logits.fill_(torch.nan)
        for graph in self.graphs._graphs.values():
            assert graph is not None
            # A stale slot would write to a text, and ids past the ends of their tables raise.
            graph._inputs._buffer.fill_(2**40)


def trees() -> st.SearchStrategy[tuple[int | None, ...]]:
    """Parents of up to six nodes, each before its children."""
    return st.lists(st.integers(0, 5), max_size=6).map(
        lambda draws: tuple(None if draw >= index else draw for index, draw in enumerate(draws))
    )


PASSES = st.lists(
    st.dictionaries(st.integers(0, NUM_TEXTS - 1), st.tuples(st.integers(1, 5), trees()), min_size=1),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("name", ["sprig", "tiny", "windowed"])
@settings(max_examples=15, deadline=None)
@given(passes=PASSES, wants_all=st.booleans(), seed=st.integers(0, 3))
def test_logits_and_cells_are_those_of_the_pass_by_itself(
    name: str, passes: list[dict[int, tuple[int, tuple[int | None, ...]]]], wants_all: bool, seed: int
) -> None:
    sides = Sides(name, seed)
    sides.check([Turn(text, 7) for text in range(3)])  # something to attend
    for rows in passes:
        sides.check([Turn(text, num, parents) for text, (num, parents) in rows.items()], wants_all=wants_all)
    assert sides.graphs.num_replays + sides.graphs.num_direct == len(passes) + 1
    assert sides.graphs.num_replays >= 1


def test_a_graph_serves_many_passes_from_the_same_places() -> None:
    sides = Sides("tiny")
    sides.check([Turn(text, 1) for text in range(3)])
    (graph,) = sides.graphs._graphs.values()
    assert graph is not None
    inputs = graph._inputs.inputs
    before = [tensor.data_ptr() for tensor in (inputs.token_ids, inputs.positions, inputs.slots, inputs.logit_indices)]
    for num_rows in (3, 4, 3):
        sides.check([Turn(text, 1) for text in range(num_rows)])
    assert sides.graphs.num_graphs == 1
    assert sides.graphs.num_replays == 4
    assert before == [
        tensor.data_ptr() for tensor in (inputs.token_ids, inputs.positions, inputs.slots, inputs.logit_indices)
    ]


def test_what_is_too_large_is_run_by_itself() -> None:
    sides = Sides("tiny")
    sides.check([Turn(text, 7) for text in range(4)])  # 28 tokens
    assert (sides.graphs.num_replays, sides.graphs.num_direct, sides.graphs.num_graphs) == (0, 1, 0)


def test_decoding_is_recorded_ahead(capsys: pytest.CaptureFixture[str]) -> None:
    sides = Sides("tiny")
    sides.graphs.record_decoding(3)
    assert sides.graphs.num_graphs == 3  # 4, 2 and 1 tokens
    for num_rows in (1, 2, 3, 4):
        sides.check([Turn(text, 1) for text in range(num_rows)])
    assert sides.graphs.num_graphs == 3
    sides.graphs.record_decoding(3, is_guessing=True)
    num_graphs = sides.graphs.num_graphs
    assert num_graphs > 3
    sides.check([Turn(0, 5), Turn(1, 1), Turn(2, 3)])
    assert sides.graphs.num_graphs == num_graphs
    assert capsys.readouterr().out == ""


def test_what_cannot_be_recorded_is_run_by_itself_and_said_once() -> None:
    class Broken:
        def record(self, call: Callable[[], None]) -> Callable[[], None]:
            raise RuntimeError("operation not permitted when stream is capturing")

    sides = Sides("tiny")
    sides.graphs._recorder = Broken()
    with pytest.warns(UserWarning, match="go without a graph: recording it failed: operation not permitted"):
        logits = sides.graphs.forward(sides.texts.batch([Turn(0, 1)]), sides.pool)
    assert logits.isfinite().all()
    sides.graphs.forward(sides.texts.batch([Turn(0, 1)]), sides.pool)
    assert (sides.graphs.num_direct, sides.graphs.num_graphs) == (2, 0)


def test_a_longer_text_leaves_what_graphs_read_of_positions_where_it_is() -> None:
    sides = Sides("tiny")
    table = sides.model._rotary._table
    before = table.clone()
    sides.model.reserve(3 * len(table))
    assert sides.model._rotary._table is not table
    assert any(kept is table for kept in sides.model._rotary._outgrown)
    assert torch.equal(table, before)
