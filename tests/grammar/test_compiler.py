"""The compiler: what is kept, shared, and imported when."""

import gc
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from palmette.grammar import front
from palmette.grammar.acceptance import BYTE_VOCABULARY, accepts, accepts_compiled
from palmette.grammar.compiler import GrammarCompiler, compile_prepared
from palmette.grammar.compiling.compile_service import CompileService
from palmette.grammar.engines.engine_set import EngineSet
from palmette.grammar.errors import GrammarError, UnsatisfiableConstraint
from palmette.grammar.matcher import CompiledGrammar
from palmette.grammar.notations.regex import compile_regex
from palmette.grammar.rules.rule_set import RuleSet
from palmette.grammar.spec import Any, Choice, Constraint, Ebnf, JsonSchema, Lark, Regex


def test_the_most_recently_used_are_kept() -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, max_cached=2)
    first = compiler.compile(Regex("a"))
    compiler.compile(Regex("b"))
    assert compiler.compile(Regex("a")) is first
    compiler.compile(Regex("c"))
    assert len(compiler) == 2
    assert compiler.compile(Regex("a")) is first


def test_failures_are_not_kept() -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY)
    for _ in range(2):
        with pytest.raises(UnsatisfiableConstraint):
            compiler.compile(JsonSchema("false"))
    assert len(compiler) == 0


def test_threads_share_one_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = Barrier(8)
    num_compiled = 0

    def counted(pattern: str) -> RuleSet:
        nonlocal num_compiled
        num_compiled += 1
        return compile_regex(pattern)

    monkeypatch.setattr(front, "compile_regex", counted)
    compiler = GrammarCompiler(BYTE_VOCABULARY)

    def ask(_: int) -> CompiledGrammar:
        barrier.wait(timeout=30)
        return compiler.compile(Regex("ab*"))

    with ThreadPoolExecutor(8) as pool:
        compiled = list(pool.map(ask, range(8)))
    assert all(each is compiled[0] for each in compiled)
    assert num_compiled == 1


def test_heavy_libraries_come_with_the_first_compile() -> None:
    code = (
        "import sys, palmette.grammar.compiler, palmette.grammar.acceptance\n"
        "heavy = {'torch', 'xgrammar', 'llguidance', 'transformers', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_warming_up_makes_the_engines_and_a_process_and_keeps_nothing() -> None:
    service = CompileService(BYTE_VOCABULARY)
    compiler = GrammarCompiler(BYTE_VOCABULARY, service=service)
    try:
        compiler.warm_up()
        (worker,) = service._idle
        assert len(compiler) == compiler.stats()["num_grammar_compiles"] == 0
        compiler.compile(JsonSchema("{}"))
        assert service._idle == [worker], "the process that was made ready did it"
    finally:
        compiler.close()


def test_memory_is_bounded() -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, max_cached_bytes=1_000_000)
    patterns = [f"a{{{count},}}" for count in range(1, 20)]
    for pattern in patterns:
        compiler.compile(Regex(pattern))
        assert compiler.num_cached_bytes <= 1_000_000
    assert 1 < len(compiler) < len(patterns)
    latest = compiler.compile(Regex(patterns[-1]))
    assert compiler.compile(Regex(patterns[-1])) is latest


def test_what_is_too_large_for_the_cache_is_compiled_all_the_same() -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, max_cached_bytes=1)
    assert compiler.compile(Regex("a+")).num_bytes > 1
    assert len(compiler) == 1


@pytest.mark.parametrize(
    ("constraint", "engine"),
    [
        (Choice(("a", "b")), "automaton"),
        (Regex("yes|no"), "automaton"),
        (JsonSchema('{"enum": [1, 2]}'), "automaton"),
        (JsonSchema('{"type": "boolean"}'), "automaton"),
        (Regex("a+"), "llguidance"),
        (JsonSchema("{}"), "llguidance"),
        (Lark("start: /a+/"), "llguidance"),
        (Any(), "llguidance"),
        (Ebnf('root ::= [a-c]+ root "d" | "a"'), "xgrammar"),
    ],
)
def test_the_engine_and_why(constraint: Constraint, engine: str) -> None:
    compiled = GrammarCompiler(BYTE_VOCABULARY).compile(constraint)
    assert compiled.engine == engine
    assert compiled.reason
    assert compiled.num_bytes > 0


def test_what_is_prepared_may_come_from_another_process() -> None:
    engines = EngineSet(BYTE_VOCABULARY)
    for constraint in (Regex("a+"), Choice(("a", "b")), Ebnf('root ::= [a-c]+ root "d" | "a"'), Lark("start: /a+/")):
        prepared = pickle.loads(pickle.dumps(front.prepare(constraint)))
        assert accepts_compiled(compile_prepared(prepared, engines), "a")


def test_preparing_needs_no_engine() -> None:
    code = (
        "import sys\n"
        "from palmette.grammar.front import prepare\n"
        "from palmette.grammar.spec import JsonSchema, Regex\n"
        "prepare(Regex('a+')), prepare(JsonSchema('{}'))\n"
        "heavy = {'torch', 'xgrammar', 'llguidance', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "constraint",
    [Regex("a+"), Choice(("aa", "aaa")), Ebnf('root ::= "a" root?'), JsonSchema('{"const": "a"}'), Lark("start: /a+/")],
)
def test_every_kind_of_constraint(constraint: Constraint) -> None:
    text = '"a"' if isinstance(constraint, JsonSchema) else "aa"
    assert accepts(constraint, text)
    assert not accepts(constraint, "b")
    assert not accepts(constraint, "\ud800")


def test_anything_else_raises() -> None:
    with pytest.raises(GrammarError, match="expected one of palmette"):
        GrammarCompiler(BYTE_VOCABULARY).compile("a+")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_cached"):
        GrammarCompiler(BYTE_VOCABULARY, max_cached=0)
    with pytest.raises(ValueError, match="max_cached_bytes"):
        GrammarCompiler(BYTE_VOCABULARY, max_cached_bytes=0)


def test_a_grammar_that_is_still_used_is_at_hand_though_the_cache_has_dropped_it() -> None:
    compiler = GrammarCompiler(BYTE_VOCABULARY, max_cached=1)
    used = compiler.compile(Regex("a+"))
    compiler.compile(Regex("b+"))
    assert len(compiler) == 1
    assert compiler.compile(Regex("a+")) is used
    del used
    gc.collect()
    again = compiler.compile(Regex("a+"))
    assert again.new_matcher().accept(ord("a"))
