"""Faults of how guesses are checked, and of what is kept of them."""

from .mutation import Mutation

_WALK = "runtime/speculation/tree_walk.py"
_ENGINE = "runtime/engine.py"
_MEMORY = "runtime/memory.py"
_SCHEDULER = "runtime/scheduling/scheduler.py"
_RUNNER = "runtime/model_runner.py"
_TREE = "runtime/speculation/draft_tree.py"

GUESS_MUTANTS = (
    Mutation(
        "walk-stays-at-root",
        "After a right guess the next one is looked for among those for the first place.",
        _WALK,
        "child = self.tree.child(self.right[-1] if self.right else None, token_id)",
        "child = self.tree.child(None, token_id)",
    ),
    Mutation(
        "logits-by-number",
        "The logits after the n-th right guess are those of the n-th node.",
        _WALK,
        "return self.logits[self.right[-1]]",
        "return self.logits[len(self.right) - 1]",
    ),
    Mutation(
        "right-guess-not-moved",
        "The cell of a right guess stays where the pass wrote it, behind those of wrong ones.",
        _MEMORY,
        "if num_skipped:",
        "if num_skipped > 2:",
    ),
    Mutation(
        "wrong-guess-accepted",
        "The cell of a guess that was wrong is taken for computed.",
        _ENGINE,
        "if num_skipped is not None and row.task.draft_text() is not None:",
        "if walk is not None and row.task.draft_text() is not None and (num_skipped := num_skipped or 0) >= 0:",
    ),
    Mutation(
        "guesses-go-on-after-end",
        "A text that has ended within the guesses is sampled on.",
        _ENGINE,
        "if num_skipped is not None and row.task.draft_text() is not None:",
        "if num_skipped is not None:",
    ),
    Mutation(
        "guessed-places-unmasked",
        "Behind a right guess the constraint's mask is left out.",
        _ENGINE,
        "sample_rows = [(row, self._sample_row(row, masks.get(row))) for row in rows]",
        "sample_rows = [(row, self._sample_row(row, None)) for row in rows]",
    ),
    Mutation(
        "siblings-taken-for-chain",
        "A small tree of guesses is seen as if each followed the one before.",
        _RUNNER,
        "None if tree is None or tree.is_chain else",
        "None if tree is None or len(tree) < 4 else",
    ),
    Mutation(
        "guesses-over-budget",
        "Guesses are as many as are worth it, whatever the pass may hold.",
        _SCHEDULER,
        "max_nodes=self._budget,",
        "max_nodes=99,",
    ),
    Mutation(
        "child-of-anybody",
        "A token counts as guessed wherever in the tree it was guessed.",
        _TREE,
        "return self._children.get((parent, token_id))",
        "return next((node for node, each in enumerate(self.token_ids) if each == token_id), None)",
    ),
)
