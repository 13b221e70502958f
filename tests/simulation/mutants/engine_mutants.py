"""Faults of the step, of the batch it makes, and of how branches go through their operations."""

from .mutation import Mutation

_ENGINE = "runtime/engine.py"
_RUNNER = "runtime/model_runner.py"
_TREE = "runtime/token_tree.py"
_BRANCHES = "runtime/live_branches.py"
_PROGRAM = "runtime/plans/program.py"

ENGINE_MUTANTS = (
    Mutation(
        "position-is-index",
        "A node of a tree of choices has its index as its position, not its depth.",
        _RUNNER,
        "self._positions += [end + depth for depth in tree.depths]",
        "self._positions += range(end, end + len(tree))",
    ),
    Mutation(
        "wrong-kv-len",
        "A row that was computed in part reads one cell less than it has.",
        _RUNNER,
        "self._kv_lens.append(kv_len)",
        "self._kv_lens.append(max(kv_len - (start > 0), share.num_cells))",
    ),
    Mutation(
        "siblings-visible",
        "A choice sees the tokens of those that come before it in the tree.",
        _TREE,
        "mask[row, num_before:] = mask[num_before + parent, num_before:]",
        "mask[row, num_before:row] = True",
    ),
    Mutation(
        "logits-of-neighbour",
        "A row that wants the logits of its input, too, samples from the first of them.",
        _RUNNER,
        "lines[after - 1] if wants_last else None",
        "lines[offset] if wants_last else None",
    ),
    Mutation(
        "page-table-row-of-neighbour",
        "A row reads by the page table of the first row of the batch where that is as long.",
        _RUNNER,
        "self._tables.append(table[: -(-kv_len // page_size)])",
        "self._tables.append((self._tables or [table])[0][: -(-kv_len // page_size)] or table)",
    ),
    Mutation(
        "failed-pass-counts",
        "The tokens of a forward pass that has failed count as computed, and are cached.",
        _ENGINE,
        '                self.branches.fail(share.row, _step_failed("the forward pass", error))',
        "                share.row.branch.num_computed += share.num_tokens\n"
        '                self.branches.fail(share.row, _step_failed("the forward pass", error))',
    ),
    Mutation(
        "failed-pass-ends-all",
        "An exception in a forward pass ends rows that were not in it.",
        _ENGINE,
        "            for share in shares:\n"
        '                self.branches.fail(share.row, _step_failed("the forward pass", error))',
        "            for row in list(self.branches.rows):\n"
        '                self.branches.fail(row, _step_failed("the forward pass", error))',
    ),
    Mutation(
        "failed-row-goes-on",
        "A row whose sibling has failed in the same step takes its token all the same.",
        _ENGINE,
        "if row not in self.branches.rows:",
        "if row.task.is_done:",
    ),
    Mutation(
        "sampler-blames-all-rows",
        "When the sampler fails for one of several rows, all of them are ended for it.",
        _ENGINE,
        "            if len(places) == 1 or is_lost:",
        "            if places:",
    ),
    Mutation(
        "private-row-published",
        "A row that runs alone puts its pages into the tree and locks them.",
        _ENGINE,
        "if share.num_tokens > 1 and not row.is_private and row in self.branches.rows:",
        "if share.num_tokens > 1 and row in self.branches.rows:",
    ),
    Mutation(
        "cancelled-row-kept",
        "The row of a branch that is cancelled stays with the scheduler.",
        _BRANCHES,
        "                del self._owners[row]\n                self._scheduler.remove(row)",
        "                del self._owners[row]",
    ),
    Mutation(
        "cancelled-helper-kept",
        "The further samples of a generation that is cancelled keep their pages.",
        _BRANCHES,
        "            for helper in live.active.helpers:\n                self._drop_helper(helper)",
        "            for helper in live.active.helpers[1:]:\n                self._drop_helper(helper)",
    ),
    Mutation(
        "cancel-answers-first-only",
        "Of the requests that are queued on a branch that is cancelled, the last one gets no answer.",
        _BRANCHES,
        "        for each in live.queue:\n            open_requests.setdefault",
        "        for each in list(live.queue)[:-1]:\n            open_requests.setdefault",
    ),
    Mutation(
        "cancel-reaches-past-the-end",
        "A request that is cancelled when it has ended takes the later ones of its branch with it.",
        _BRANCHES,
        "if any(each.request is request for each in [*queued, *live.queue]):",
        "if queued or live.queue:",
    ),
    Mutation(
        "deaf-listener-told-on",
        "A request whose listener fails goes on.",
        _ENGINE,
        "self.branches.cancel(request)\n            self._publish_programs()",
        "pass\n            self._publish_programs()",
    ),
    Mutation(
        "late-operation-taken",
        "A branch that has failed takes further operations.",
        _BRANCHES,
        "        if live is None or live.is_dead:\n            error = BranchClosed",
        "        if live is None:\n            error = BranchClosed",
    ),
    Mutation(
        "child-has-parents-noise",
        "The branches of a fork all draw the noise of their parent.",
        _BRANCHES,
        "path=parent.next_child_path(),",
        "path=parent.path,",
    ),
    Mutation(
        "child-forgets-seam",
        "A branch that was forked re-tokenises what a model wrote before the fork.",
        _BRANCHES,
        "seam_start=parent.seam_start,",
        "seam_start=0,",
    ),
    Mutation(
        "join-loses-samples",
        "A join whose child has rewritten its seam brings no text that the child's model wrote.",
        _BRANCHES,
        "            live.branch.gain(TextPiece(new.text, False))\n",
        "",
    ),
    Mutation(
        "join-before-pending-text",
        "What a child wrote is appended before text that its parent wrote earlier and has not tokenised.",
        _BRANCHES,
        "            self._starter.prepare(live.branch, queued.index)  # what waits for the tokenizer comes first\n",
        "",
    ),
    Mutation(
        "waiting-steps-forgotten",
        "What waits for a value of another branch is not begun when it comes.",
        _PROGRAM,
        "        self._ready += self._waiting.pop(place, ())\n\n    # --- branches",
        "        self._ready += self._waiting.pop(place, ())[1:]\n\n    # --- branches",
    ),
    Mutation(
        "children-of-failed-branch-wait",
        "What was to be forked from a branch that has failed never ends.",
        _PROGRAM,
        "ending += [(child, None) for child in children if child.branch_id is None and not child.has_ended]",
        "ending += [(child, None) for child in children[1:] if child.branch_id is None and not child.has_ended]",
    ),
)
