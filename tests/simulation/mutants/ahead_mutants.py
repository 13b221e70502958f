"""Faults of passes that are launched before the tokens that they compute are read."""

from .mutation import Mutation

_RUN_AHEAD = "runtime/run_ahead.py"

AHEAD_MUTANTS = (
    Mutation(
        "ahead-drops-nobody",
        "What was computed ahead for a row that has ended is taken for its next token.",
        _RUN_AHEAD,
        "return row.is_running and row.branch.num_computed == start and row.num_pending == 1",
        "return True",
    ),
    Mutation(
        "ahead-token-of-neighbour",
        "Where a row is not in the pass that runs ahead, those behind it compute the tokens of others.",
        _RUN_AHEAD,
        "places = [place for place, row in enumerate(rows) if row in going_on]",
        "places = list(range(len(going_on)))",
    ),
    Mutation(
        "ahead-logits-of-neighbour",
        "Where a row of the pass that ran ahead has ended, those behind it sample from the logits of others.",
        _RUN_AHEAD,
        "[launched.logits[index] for index in kept]",
        "list(launched.logits[: len(kept)])",
    ),
    Mutation(
        "ahead-one-place-late",
        "A token that is computed ahead stands one place further on.",
        "runtime/model_runner.py",
        "self._positions.append(branch.num_computed)\n",
        "self._positions.append(branch.num_computed + 1)\n",
    ),
    Mutation(
        "ahead-on-shared-page",
        "A pass that runs ahead writes to pages that nobody has reserved.",
        "runtime/scheduling/scheduler.py",
        "all(self._memory.reserve(row.branch, 1) for row in going_on)",
        "all(self._memory.has_room(row.branch, 1) for row in going_on)",
    ),
    Mutation(
        "ahead-of-guesses",
        "A pass runs ahead of guesses that are still to be checked.",
        "runtime/engine.py",
        "can_run_ahead = self._overlaps and not walks",
        "can_run_ahead = self._overlaps",
    ),
)
