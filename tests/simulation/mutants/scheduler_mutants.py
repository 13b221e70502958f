"""Faults of the scheduler, its policies, admission and deadlines."""

from .mutation import Mutation

_SCHEDULER = "runtime/scheduling/scheduler.py"
_FAIR = "runtime/scheduling/fair_prefix_match.py"
_KEYED = "runtime/scheduling/keyed_policies.py"
_INDEX = "runtime/scheduling/waiting_index.py"
_ADMISSION = "runtime/scheduling/admission.py"
_DEADLINES = "runtime/scheduling/deadlines.py"
_ACCOUNTS = "runtime/scheduling/tenant_accounts.py"

SCHEDULER_MUTANTS = (
    Mutation(
        "chunk-one-token-early",
        "A chunk that leaves one token of a prompt counts as its last.",
        _SCHEDULER,
        "is_complete = num_tokens == row.num_pending",
        "is_complete = num_tokens >= row.num_pending - 1",
    ),
    Mutation(
        "budget-ignores-trees",
        "The nodes of a tree of choices are not taken from the budget of the step.",
        _SCHEDULER,
        "self._budget -= share.num_cells",
        "self._budget -= share.num_tokens",
    ),
    Mutation(
        "one-row-too-many",
        "One row more than allowed is let in.",
        _SCHEDULER,
        "len(self.running) < self._options.max_running_rows",
        "len(self.running) <= self._options.max_running_rows",
    ),
    Mutation(
        "preempted-row-kept-in-batch",
        "A row whose pages were taken stays in the pass for which they were taken.",
        _SCHEDULER,
        "share = self._shares.pop(row, None)",
        "share = self._shares.get(row)",
    ),
    Mutation(
        "preempted-tokens-lost",
        "What a row has written is cut off when it is preempted.",
        _SCHEDULER,
        "        self._memory.release(row.branch)\n        self._stop_running(row)",
        "        self._memory.release(row.branch)\n"
        "        row.branch.truncate(row.start_len)\n"
        "        self._stop_running(row)",
    ),
    Mutation(
        "senior-preempted",
        "A row takes the pages of one that came before it.",
        _SCHEDULER,
        "choose_victim([other for other in others if self.policy.seniority(other) > own], self._memory.pool)",
        "choose_victim([other for other in others if self.policy.seniority(other) != own], self._memory.pool)",
    ),
    Mutation(
        "alone-but-not-private",
        "A row that has the pool for itself locks pages of the tree all the same.",
        _SCHEDULER,
        "row.is_private = True",
        "row.is_private = False",
    ),
    Mutation(
        "branch-at-work-robbed",
        "Pages are taken from a branch whose row is running.",
        _SCHEDULER,
        "if not branch.page_table or id(branch) in busy:",
        "if not branch.page_table or branch is row.branch:",
    ),
    Mutation(
        "held-pages-taken",
        "The pages of a branch that is held are taken like those of any other.",
        _SCHEDULER,
        "if branch.is_held(now):",
        "if branch.is_held(now) and not branch.is_held(now):",
    ),
    Mutation(
        "followers-forgotten",
        "Who waits for the prefix that a row computes is not let on when that row has ended.",
        _SCHEDULER,
        "self.policy.add(each, self._index.node_of(each))",
        "pass",
    ),
    Mutation(
        "place-stale-after-split",
        "A waiting text that ends where a node was cut stays with the lower half.",
        _INDEX,
        "for head in [heads[depth] for depth in heads if depth <= upper.depth]:",
        "for head in [heads[depth] for depth in heads if depth < upper.depth]:",
    ),
    Mutation(
        "match-not-shortened-by-eviction",
        "A waiting row still counts on the last page that was evicted of its text.",
        _INDEX,
        "for at in [at for at in heads if at > depth]:",
        "for at in [at for at in heads if at > depth + 1]:",
    ),
    Mutation(
        "order-ignores-match",
        "Rows whose texts go on alike are ordered by age, whatever is cached of them.",
        "runtime/scheduling/match_order.py",
        "self._lines[line].set(node, (-node.match_len, *key))",
        "self._lines[line].set(node, (0 * node.match_len, *key))",
    ),
    Mutation(
        "queued-tokens-drift",
        "The tokens of a request that is cancelled in the queue are still counted.",
        _ADMISSION,
        "self.num_tokens -= rows.pop(row)",
        "self.num_tokens -= min(rows.pop(row), 1)",
    ),
    Mutation(
        "refused-beneath-the-limit",
        "A request is refused though one more may wait.",
        _ADMISSION,
        "self.num_requests >= self._max_requests",
        "self.num_requests >= self._max_requests - 1",
    ),
    Mutation(
        "deadline-ignored-once-begun",
        "A request that has begun has all the time in the world.",
        _DEADLINES,
        "if ticket.error is not None or (ticket.has_begun and not is_total):",
        "if ticket.error is not None or ticket.has_begun:",
    ),
    Mutation(
        "queue-deadline-ignored",
        "A request may wait in the queue for ever.",
        _DEADLINES,
        "if ticket.error is not None or (ticket.has_begun and not is_total):",
        "if ticket.error is not None or not is_total:",
    ),
    Mutation(
        "queue-deadline-after-begin",
        "The deadline of the queue ends a request that has long begun.",
        _DEADLINES,
        "if ticket.error is not None or (ticket.has_begun and not is_total):",
        "if ticket.error is not None:",
    ),
    Mutation(
        "last-come-first-served",
        "Of requests, the one that came last goes first.",
        _KEYED,
        "        return row.arrival\n",
        "        return (-row.arrival[0], row.arrival[1])\n",
    ),
    Mutation(
        "turn-of-oldest-skipped",
        "The longest cached prefix always goes first, so the oldest row waits as long as others have more cached.",
        _FAIR,
        "return line.num_served % oldest_every == oldest_every - 1",
        "return line.num_served % oldest_every == oldest_every",
    ),
    Mutation(
        "tenant-not-charged",
        "What a tenant has had computed does not count against it.",
        _ACCOUNTS,
        "self._balances[tenant] = self.deficit(tenant) - self.quantum * self._round - num_tokens",
        "self._balances[tenant] = self.deficit(tenant) - self.quantum * self._round",
    ),
)
