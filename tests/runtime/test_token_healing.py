"""Token healing: the seam before a generation is written anew, and nothing else changes."""

import json
from collections import Counter
from collections.abc import Sequence

import jsonschema
import msgspec
import pytest
import torch
from engine_harness import COMPILER, TOKENIZER, Harness, Listening, gen, oracle, tokens
from guarded_grammar import GuardedCompiler, GuardedGrammar, guarded
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_search import search

from palmette.grammar.acceptance import accepts
from palmette.grammar.bitmask import allowed_token_ids
from palmette.grammar.open_seam import tokens_of
from palmette.grammar.spec import Constraint, JsonSchema, Regex
from palmette.lang.events import Forked, GenResult, TextDelta
from palmette.lang.ir import Fork, Gen, Join, Operation, RoleBegin, RoleEnd, Text
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.branch import Branch
from palmette.runtime.config import DEFAULT_ROLLBACK_BUDGET
from palmette.runtime.errors import ConstraintDeadEnd
from palmette.runtime.operations.seam import take_back

VOCABULARY = COMPILER.vocabulary
TEXTS = VOCABULARY.text_tokens
WORDS = (
    "The ", "capital ", "of", " Fr", "ance ", "is", " ", ":", "http", "[", " [", '"', "é", "日", "\n", "es", "1"
)  # fmt: skip
UNIQUE = '{"type": "array", "items": {"enum": [1, 2, 12]}, "uniqueItems": true, "minItems": 2, "maxItems": 3}'
CONSTRAINTS: tuple[Constraint, ...] = (
    Regex("[a-z ]{1,20}"),
    Regex("(//|ts|t|tesq)[a-z.]{2,9}"),
    Regex(" ?[0-9]{1,3}(, [0-9]+)*"),
    Regex("[a-z]q{9}"),
    JsonSchema(UNIQUE),
    JsonSchema('{"type": "string", "maxLength": 5}'),
)
prompts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map("".join)
constraints = st.sampled_from(CONSTRAINTS)


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text, has_special=False, is_start=True)


def healed(max_new_tokens: int = 8, constraint: Constraint | None = None, *, name: str = "x", **fields: object) -> Gen:
    params = gen(max_new_tokens, token_healing=True, **{"temperature": 1.0, "ignore_eos": False, **fields}).params
    return Gen(name, params, constraint)


def bytes_of(token_ids: Sequence[int]) -> bytes:
    return b"".join(TEXTS[token_id] for token_id in token_ids)


def seam_of(text: str, constraint: Constraint | None = None, banned: tuple[int, ...] = ()) -> list[int]:
    """What is taken back of a text, as bytes that the tape loses."""
    branch = Branch(0, "", 7, token_ids=encode(text))
    seam = take_back(branch, VOCABULARY, None if constraint is None else COMPILER.compile(constraint), banned)
    assert branch.token_ids == encode(text)[: len(branch.token_ids)]
    assert len(encode(text)) == len(branch.token_ids) + (len(seam.token_ids) if seam else 0)
    return list(seam.token_ids) if seam else []


def told(listening: Listening, name: str = "x") -> tuple[str, tuple[int, ...]]:
    deltas = [event for event in listening.events if isinstance(event, TextDelta) and event.name == name]
    return "".join(delta.text for delta in deltas), tuple(each for delta in deltas for each in delta.token_ids)


# --- text and value


@settings(max_examples=60, deadline=None)
@given(prompts, constraints | st.none(), st.integers(0, 2**32), st.data())
def test_the_text_before_stays_and_the_value_is_what_was_asked_for(
    prompt: str, constraint: Constraint | None, seed: int, data: st.DataObject
) -> None:
    stop = data.draw(st.sampled_from([(), (), ("s",), (" ", "//"), ("日",)]), "stop")
    operation = healed(data.draw(st.sampled_from([1, 2, 30])), constraint, stop=stop, return_logprob=True)
    harness = Harness()
    branch_id = harness.core.open_branch(seed, "")
    listening = harness.submit(branch_id, [Text(prompt), operation])
    harness.run()
    (sample,) = listening.samples()
    assert listening.text == prompt + sample.text
    shown, shown_ids = told(listening)
    assert shown == sample.text
    assert shown_ids == sample.token_ids[: len(shown_ids)]
    assert len(sample.token_ids) <= operation.params.max_new_tokens
    assert sample.output_logprobs is not None
    assert tuple(entry.token_id for entry in sample.output_logprobs) == sample.token_ids
    if constraint is not None and sample.finish_reason.type == "stop":
        assert accepts(constraint, sample.text), sample.text
    if stop and constraint is None:
        assert not any(each in sample.text for each in stop)
    (tape,) = (branch for branch in harness.core.branches.all() if branch.branch_id == branch_id)
    rest = "".join(piece.text for piece in tape.buffer).encode()
    written = bytes_of(tape.token_ids) + rest
    assert written.startswith(prompt.encode())
    assert written.decode(errors="replace") == listening.text
    harness.core.close_branch(branch_id)
    harness.check_all_returned()


def test_the_first_token_may_span_the_seam() -> None:
    text = "The capital of France is "
    assert bytes_of(seam_of(text)) == b" "
    spans = 0
    for seed in range(12):
        (sample,) = Harness().answer([Text(text), healed(3)], seed=seed).samples()
        (first, *others) = sample.token_ids
        whole = TEXTS[first]
        is_spanning = sample.prompt_tokens == len(encode(text)) - 1
        assert is_spanning == (whole.startswith(b" ") and sample.text.encode()[:1] != b" ")
        if is_spanning:
            spans += 1
            assert (whole[1:] + bytes_of(others)).decode(errors="replace") == sample.text
    assert spans > 6  # of the tokens that begin with a blank, one is the blank alone


@settings(max_examples=25, deadline=None)
@given(prompts, constraints | st.none(), st.integers(0, 2**32))
def test_where_nothing_could_span_it_is_the_plain_generation(
    prompt: str, constraint: Constraint | None, seed: int
) -> None:
    def sample(operations: list[Operation], *, heals: bool) -> GenResult:
        params = SamplingParams(max_new_tokens=9, token_healing=heals)
        return Harness().answer([*operations, Gen("x", params, constraint)], seed=seed).samples()[0]

    given_ids = [tokens(*encode(prompt))]
    assert sample([*given_ids], heals=True) == sample([*given_ids], heals=False)
    if not seam_of(prompt, constraint):
        assert sample([Text(prompt)], heals=True) == sample([Text(prompt)], heals=False)


def test_the_tokens_are_the_oracle_s_where_the_text_is_written_again() -> None:
    """A prompt whose own tokens win at the seam: from there on it is the plain generation."""
    prompt = encode("Visit http:")
    bias = {prompt[-1]: 100.0}
    sample = Harness().answer([Text("Visit http:"), healed(6, temperature=0.0, ignore_eos=True, logit_bias=bias)])
    assert sample.token_ids() == oracle(prompt, gen(6, logit_bias=bias).params)
    assert sample.samples()[0].prompt_tokens == len(prompt)


@pytest.mark.parametrize(
    "fields",
    [
        {"frequency_penalty": 2.0},
        {"stop": (" ", "e"), "min_new_tokens": 2},
        {"stop_token_ids": (encode("is ")[-1],)},
    ],
    ids=str,
)
def test_tokens_that_are_written_again_count_for_nothing(fields: dict[str, object]) -> None:
    text, num_compared = "The capital of France is ", 0
    prompt = encode(text)
    for seed in range(16):
        operation = healed(5, logit_bias={prompt[-1]: 11.5}, **fields)
        (sample,) = Harness().answer([Text(text), operation], seed=seed).samples()
        if sample.prompt_tokens == len(prompt):
            (plain,) = Harness().answer([tokens(*prompt), operation], seed=seed).samples()
            assert (sample.token_ids, sample.text) == (plain.token_ids, plain.text)
            assert sample.finish_reason == plain.finish_reason
            num_compared += 1
    assert num_compared > 3


# --- what is never taken back


def test_only_tokens_of_text_are_taken_back() -> None:
    blank = encode("is ")[-1]
    assert TEXTS[blank] == b" "
    for before in (
        [tokens(*encode("The capital is "))],  # given by their ids
        [Text(" ")],  # the first of a text
        [Text("It is<|im_end|>", has_special=True)],  # special
        [tokens(1), Gen("y", SamplingParams(max_new_tokens=1, logit_bias={blank: 1e9}))],  # a model wrote it
    ):
        plain = Harness().answer([*before, gen(4)]).samples()[0]
        assert Harness().answer([*before, gen(4, token_healing=True)]).samples()[0] == plain
    harness = Harness()
    turn = [RoleBegin("user"), Text("Hi "), RoleEnd("user"), RoleBegin("assistant")]
    listening = harness.answer([*turn, healed(3)])
    assert listening.error is None
    assert "<|im_start|>assistant\n" in listening.text


def test_a_stop_token_does_not_span() -> None:
    colon = encode("a b:")[-1]
    longer = tuple(each for each in VOCABULARY.token_ids_beginning(TEXTS[colon]) if each != colon)
    assert longer
    assert seam_of("a b:") == [colon]
    assert seam_of("a b:", banned=longer) == []
    assert seam_of("a b:", banned=longer[1:]) == [colon]


def test_a_stop_that_begins_in_the_spanning_token_leaves_the_text_whole() -> None:
    """The text goes on as it would have without healing: with its own tokens."""
    blank = encode("It is ")[-1]
    the = next(each for each in VOCABULARY.token_ids_beginning(b" t") if len(TEXTS[each]) > 3)
    word = TEXTS[the].decode()[1:]
    for stop, value in ((word, ""), (word[1:], word[:1])):
        operations = [Text("It is "), healed(5, logit_bias={the: 1e9}, stop=(stop,)), gen(4, name="y")]
        listening = Harness().answer(operations)
        (sample,) = listening.samples()
        assert sample.token_ids == (the,)
        assert sample.text == value
        tape = [*encode("It is "), *TOKENIZER.encode(value, has_special=False)]
        assert tape[len(encode("It is ")) - 1] == blank
        assert listening.token_ids("y") == oracle(tape, gen(4).params)


# --- counts and reports


@settings(max_examples=30, deadline=None)
@given(prompts, constraints | st.none(), st.integers(0, 2**32), st.sampled_from([None, 0, 2, 99]))
def test_the_spanning_token_is_the_value_s_first_and_what_is_before_it_is_prompt(
    prompt: str, constraint: Constraint | None, seed: int, start: int | None
) -> None:
    operation = healed(
        6, constraint, return_logprob=True, logprob_start_len=start, min_new_tokens=2, top_logprobs_num=2
    )
    (sample,) = Harness().answer([Text(prompt), operation], seed=seed).samples()
    num_own = len(encode(prompt))
    assert num_own - 8 <= sample.prompt_tokens <= num_own
    if sample.prompt_tokens < num_own:
        rest = bytes_of(encode(prompt)[sample.prompt_tokens :])
        assert TEXTS[sample.token_ids[0]].startswith(rest)
        assert len(TEXTS[sample.token_ids[0]]) > len(rest)
    if start is None:
        assert sample.input_logprobs is None
    else:
        assert sample.input_logprobs is not None
        assert [each.token_id for each in sample.input_logprobs] == encode(prompt)[start : sample.prompt_tokens]
    assert (sample.masked_log_mass is None) == (constraint is None)
    assert sample.forced == forced_by_the_matcher(constraint, sample, encode(prompt)[sample.prompt_tokens :])
    if constraint is None:
        assert len(sample.token_ids) == 6 or sample.finish_reason.type == "stop"
        assert len(sample.token_ids) >= 2


def test_what_was_forced_is_told_by_the_value_s_tokens() -> None:
    text, constraint = "The capital of France is ", Regex("[a-z]q{9}")
    own = encode(text)[-1]
    for bias, num_prompt in ((100.0, len(encode(text))), (-100.0, len(encode(text)) - 1)):
        listening = Harness().answer([Text(text), healed(30, constraint, logit_bias={own: bias})])
        (sample,) = listening.samples()
        assert sample.prompt_tokens == num_prompt
        assert sample.forced
        assert sample.forced == forced_by_the_matcher(constraint, sample, encode(text)[num_prompt:])


def forced_by_the_matcher(constraint: Constraint | None, sample: GenResult, seam: list[int]) -> tuple[int, ...]:
    """Walk the constraint's own matcher and see where it allows just one token; `seam`: what the first one spans."""
    if constraint is None:
        return ()
    matcher, forced = COMPILER.compile(constraint).new_matcher(), list[int]()
    for index, token_id in enumerate(sample.token_ids):
        if index == 0 and seam:
            added = tokens_of(TEXTS[token_id][len(bytes_of(seam)) :], VOCABULARY)
            assert added is not None
            assert all(matcher.accept(each) for each in added)
            continue
        row = torch.zeros(VOCABULARY.mask_words, dtype=torch.int32)
        matcher.fill_bitmask(row)
        if len(allowed_token_ids(row)) == 1:
            forced.append(index)
        matcher.accept(token_id)
    return tuple(forced)


# --- however it is run


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(prompts, constraints | st.none(), st.integers(0, 9)), min_size=1, max_size=4),
    st.sampled_from([1, 3, 4]),
    st.sampled_from([1, 7, 64]),
    st.integers(1, 3),
)
def test_however_it_is_run_it_is_the_same(
    asked: list[tuple[str, Constraint | None, int]], page_size: int, token_budget: int, num_samples: int
) -> None:
    def operations(prompt: str, constraint: Constraint | None) -> list[Operation]:
        return [Text(prompt), healed(7, constraint, n=num_samples), Text(" "), healed(3, name="y")]

    def facts(listening: Listening) -> tuple[object, ...]:
        samples = [*listening.samples("x"), *listening.samples("y")]
        return listening.text, [(each.token_ids, each.text, each.prompt_tokens, each.forced) for each in samples]

    alone = [
        facts(Harness(is_caching=False).answer(operations(prompt, constraint), seed=seed))
        for prompt, constraint, seed in asked
    ]
    harness = Harness(num_pages=400, page_size=page_size, token_budget=token_budget, num_mask_threads=1)
    for _ in range(2):  # the second time on what the first computed
        branches = [harness.core.open_branch(seed, "") for _, _, seed in asked]
        together = [
            harness.submit(branch_id, operations(prompt, constraint))
            for branch_id, (prompt, constraint, _) in zip(branches, asked, strict=True)
        ]
        harness.run()
        assert [facts(each) for each in together] == alone
        for branch_id in branches:
            harness.core.close_branch(branch_id)
    harness.check_all_returned()


def test_samples_heal_each_for_itself() -> None:
    text = "The capital of France is "
    operation = healed(4, logit_bias={encode(text)[-1]: 11.0})
    many = Gen("x", msgspec.structs.replace(operation.params, n=8))
    samples = Harness().answer([Text(text), many], seed=3).samples()
    assert {sample.prompt_tokens for sample in samples} == {len(encode(text)), len(encode(text)) - 1}
    harness = Harness()
    fork = forked(harness, harness.core.open_branch(3, ""), [Text(text), Fork(7)])
    children = [harness.submit(branch_id, [operation]) for branch_id in fork.branch_ids]
    harness.run()
    assert [child.token_ids() for child in children] == [sample.token_ids for sample in samples[1:]]


def forked(harness: Harness, branch_id: int, operations: list[Operation]) -> Forked:
    listening = harness.submit(branch_id, operations)
    harness.run()
    (fork,) = [event for event in listening.events if isinstance(event, Forked)]
    return fork


@pytest.mark.parametrize("seed", range(4))
def test_a_child_that_heals_the_seam_joins_with_its_text(seed: int) -> None:
    harness, text = Harness(), "The capital of France is "
    root = harness.core.open_branch(seed, "")
    fork = forked(harness, root, [Text(text), Fork(2)])
    children = [harness.submit(branch_id, [healed(4)]) for branch_id in fork.branch_ids]
    harness.run()
    joined = harness.submit(root, [Join(fork.branch_ids), gen(3, name="y")])
    harness.run()
    values = "".join(child.samples()[0].text for child in children)
    assert joined.text.startswith(values)
    (tape,) = (branch for branch in harness.core.branches.all() if branch.branch_id == root)
    assert bytes_of(tape.token_ids).decode(errors="replace") == text + joined.text
    for branch_id in (root, *fork.branch_ids):
        harness.core.close_branch(branch_id)
    harness.check_all_returned()


# --- dead ends


class HealedSearch(GuardedGrammar):
    """What a search may write at a seam of one token, and then as the constraint says."""

    def __init__(self, salt: int, own: int) -> None:
        super().__init__(salt, 5, 3, 4)
        self.own = own

    def allowed(self, token_ids: Sequence[int]) -> list[int]:
        rest = TEXTS[self.own]
        if token_ids:
            return super().allowed(self._past(token_ids))
        starts = {rest + TEXTS[each] for each in super().allowed(())}
        return [each for each, text in enumerate(TEXTS) if text == rest or text in starts]

    def is_over(self, token_ids: Sequence[int]) -> bool:
        return bool(token_ids) and super().is_over(self._past(token_ids))

    def first_revocable(self, token_ids: Sequence[int]) -> int:
        is_own = token_ids[0] == self.own
        return super().first_revocable(self._past(token_ids)) + is_own

    def _past(self, token_ids: Sequence[int]) -> list[int]:
        if token_ids[0] == self.own:
            return list(token_ids[1:])
        added = TEXTS[token_ids[0]][len(TEXTS[self.own]) :]
        return [TEXTS.index(added), *token_ids[1:]]


def test_dead_ends_go_back_to_the_seam_as_a_naive_search_does() -> None:
    """Also to its first token, the spanning one, in whose place another or the text's own is taken."""
    compiler, met = GuardedCompiler(), Counter[str]()
    letters = {text[0]: each for each, text in enumerate(TEXTS) if len(text) == 1 and text.isalpha()}
    for salt in range(80):
        plain = GuardedGrammar(salt, 5, 3, 4)
        starts = {TEXTS[each] for each in plain.allowed(())}
        owns = [own for own in letters.values() if any(TEXTS[own] + start in TEXTS for start in starts)]
        for own in owns[:1]:
            prompt = [*encode("=("), own]
            if encode(TOKENIZER.decode(prompt)) != prompt:
                continue
            operation = healed(40, guarded(salt, 5, 3, 4), logit_bias={own: 1.0})
            wanted = search(prompt[:-1], operation.params, HealedSearch(salt, own), 7, 0, DEFAULT_ROLLBACK_BUDGET)
            listening = Harness(compiler=compiler, page_size=3, token_budget=5).answer(
                [Text(TOKENIZER.decode(prompt)), operation]
            )
            met["searches"] += 1
            if wanted.is_dead:
                assert isinstance(listening.error, ConstraintDeadEnd)
                met["dead"] += 1
                continue
            (sample,) = listening.samples()
            is_own = wanted.token_ids[0] == own
            written = tuple(each for each in sample.token_ids if each not in TOKENIZER.eos_token_ids)
            assert written == wanted.token_ids[is_own:]
            assert (sample.num_rollbacks, sample.num_tokens_taken_back) == (
                wanted.num_rollbacks,
                wanted.num_tokens_taken_back,
            )
            assert told(listening)[0] == sample.text == bytes_of(wanted.token_ids)[1:].decode(errors="replace")
            met["spanned" if not is_own else "own"] += 1
            met["spanned and went back"] += not is_own and wanted.num_rollbacks > 0
    assert min(met[each] for each in ("spanned", "own", "spanned and went back")) >= 3, met


def test_checked_documents_may_begin_before_the_seam() -> None:
    schema, own, num_spanning = json.loads(UNIQUE), encode("x = "), 0
    operation = healed(40, JsonSchema(UNIQUE), temperature=3.0, logit_bias={own[-1]: 3.0})
    for seed in range(12):
        harness = Harness(is_output_validated=True)
        listening = harness.answer([Text("x = "), operation], seed=seed)
        (sample,) = listening.samples()
        num_spanning += sample.prompt_tokens < len(own)
        assert sample.finish_reason.type == "stop"
        jsonschema.validate(json.loads(sample.text), schema)
        assert listening.text == "x = " + sample.text
    assert 0 < num_spanning < 12
