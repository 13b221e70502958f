"""Faults of generations, selections and scores, of the sampler, and of matchers."""

from .mutation import Mutation

_GEN = "runtime/operations/gen.py"
_SCORING = "runtime/operations/scoring.py"
_STARTER = "runtime/operations/starter.py"
_SAMPLER = "runtime/sampler.py"
_HOST_SAMPLING = "kernels/host_sampling.py"
_ENTRIES = "kernels/logit_entries.py"

GENERATION_MUTANTS = (
    Mutation(
        "min-tokens-counts-prompt",
        "The prompt counts towards the tokens before which a text may not end.",
        _GEN,
        "elif self._num_value_tokens < self.params.min_new_tokens:",
        "elif len(self.branch.token_ids) < self.params.min_new_tokens:",
    ),
    Mutation(
        "min-tokens-forgotten-after-preemption",
        "A text that was computed anew after a preemption may end at once.",
        _GEN,
        "elif self._num_value_tokens < self.params.min_new_tokens:",
        "elif self._num_value_tokens < self.params.min_new_tokens and self.branch.node is None:",
    ),
    Mutation(
        "noise-by-output-position",
        "The noise of a token depends on how much was generated, not on where the token stands.",
        _GEN,
        "position=len(self.branch.token_ids),",
        "position=len(self.token_ids),",
    ),
    Mutation(
        "seed-of-request-ignored",
        "The seed that a generation brings along is not used.",
        _GEN,
        "self.seed = self.branch.seed if self.params.seed is None else self.params.seed",
        "self.seed = self.branch.seed",
    ),
    Mutation(
        "stop-overshoot-on-tape",
        "A stop string that ends the text stays on the tape.",
        _GEN,
        "self.branch.truncate(self.start + num_kept)\n        self.branch.append(cut_off)",
        "self.branch.truncate(min(self.start + num_kept + 1, len(self.branch.token_ids)))\n"
        "        self.branch.append(cut_off)",
    ),
    Mutation(
        "stop-inside-token-loses-text",
        "Where a stop begins inside a token, the head of that token is lost.",
        _GEN,
        "self.branch.buffer.append(TextPiece(rest, None))",
        "pass",
    ),
    Mutation(
        "stop-shown",
        "Text is shown that a stop may still take back.",
        _GEN,
        "num_safe = self._stops.num_safe()",
        "num_safe = len(self._text)",
    ),
    Mutation(
        "stop-over-seam-missed",
        "A stop string that begins in the text of an earlier token is not found.",
        "runtime/text/stop_checker.py",
        "start = self._text.find(stop, max(0, offset - len(stop) + 1))",
        "start = self._text.find(stop, offset)",
    ),
    Mutation(
        "stop-armed-late",
        "A stop is not looked for with the last of the tokens that must come before it.",
        _GEN,
        "is_armed=self._num_value_tokens >= self.params.min_new_tokens",
        "is_armed=self._num_value_tokens > self.params.min_new_tokens",
    ),
    Mutation(
        "cut-inside-character",
        "A text is cut between the tokens of one character.",
        "runtime/text/detokenizer.py",
        "if not state[0]:",
        "if piece or not state[0]:",
    ),
    Mutation(
        "detokeniser-drops-broken-end",
        "A character that is not finished when the text ends is left out.",
        _GEN,
        "        self._text += rest\n        self._emit(len(self._text), len(self.token_ids))",
        "        self._emit(len(self._text), len(self.token_ids))",
    ),
    Mutation(
        "last-token-not-pending",
        "A branch whose text is computed to the end generates without computing its last token again.",
        "runtime/branch.py",
        "self.num_computed = min(self.num_computed, len(self.token_ids) - 1)",
        "self.num_computed = min(self.num_computed, len(self.token_ids))",
    ),
    Mutation(
        "score-starts-late",
        "The logits that predict the first token of a score are not asked for.",
        _SCORING,
        "return max(self.start - 1, 0)",
        "return self.start",
    ),
    Mutation(
        "score-not-recomputed",
        "What is to be scored is not computed again where its cells are there.",
        _STARTER,
        "branch.num_computed = min(branch.num_computed, scores.first_position)",
        "pass",
    ),
    Mutation(
        "seam-rollback-missed",
        "The tokens that a choice rewrites stay on the tape before it.",
        _STARTER,
        "        branch.truncate(num_kept)\n",
        "",
    ),
    Mutation(
        "penalties-of-neighbour",
        "The counts that a row is penalised for are applied to the next row.",
        _ENTRIES,
        'self._add(row, _COUNTED, "output_counts", each.output_counts, amounts)',
        'self._add((row + 1) % self._num_rows, _COUNTED, "output_counts", each.output_counts, amounts)',
    ),
    Mutation(
        "bias-lost",
        "The bias of logits is read and not used.",
        _ENTRIES,
        'self._add(row, _BIASED, "logit_bias", each.logit_bias, biases)',
        'self._add(row, _BIASED, "logit_bias", each.logit_bias, biases * 0)',
    ),
    Mutation(
        "mask-of-neighbour",
        "Rows of a batch that are constrained and filtered have each other's masks.",
        _HOST_SAMPLING,
        "torch.stack([mask for i in masked if (mask := choices[i].bitmask) is not None])",
        "torch.stack([mask for i in reversed(masked) if (mask := choices[i].bitmask) is not None])",
    ),
    Mutation(
        "mask-lost-in-mixed-batch",
        "Masks have no effect where a row of the batch has none.",
        _HOST_SAMPLING,
        "_Pick(source, choice.bitmask, choice.draw) for source",
        "_Pick(source, choice.bitmask if all(each.bitmask is not None for each in choices) else None, choice.draw) "
        "for source",
    ),
    Mutation(
        "bans-lost-under-mask",
        "A token that is banned may be drawn where the row has a mask.",
        _SAMPLER,
        "            self.banned_token_ids,\n",
        "            self.banned_token_ids if self.bitmask is None else (),\n",
    ),
    Mutation(
        "draw-from-wrong-group",
        "Rows that are filtered are drawn from the logits of the first rows of the batch.",
        _HOST_SAMPLING,
        "part = logits if is_whole else torch.stack([sources[i] for i in draws])",
        "part = logits if is_whole else torch.stack(sources[: len(draws)])",
    ),
    Mutation(
        "draw-of-neighbour",
        "All rows of a batch that are not filtered are drawn with the noise of the first.",
        _HOST_SAMPLING,
        "_Pick(source, choice.bitmask, choice.draw) for source",
        "_Pick(source, choice.bitmask, choice.draw and choices[0].draw) for source",
    ),
    Mutation(
        "matcher-shared",
        "The samples of a generation walk through a choice together, with one matcher.",
        "grammar/engines/choice_backend.py",
        "return ChoiceMatcher(self, [TrieNode(0, len(self.choices), 0)])",
        'return self.__dict__.setdefault("_walk", ChoiceMatcher(self, [TrieNode(0, len(self.choices), 0)]))',
    ),
    Mutation(
        "stop-under-constraint",
        "A stop string ends a text whose constraint is not complete.",
        _GEN,
        "if self.grammar is not None and (rest or not self._is_complete(self.token_ids[:num_kept] + cut_off)):",
        "if self.grammar is not None and rest:",
    ),
    Mutation(
        "end-under-constraint",
        "A stop token ends a text whose constraint is not complete.",
        _GEN,
        "        return self._matcher.is_completed\n",
        "        return True\n",
    ),
)
