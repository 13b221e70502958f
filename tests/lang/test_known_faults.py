"""What goes wrong in other runtimes of this idiom, and must not here; and that every error says where it comes from.

Held by other files, under names that say so:

- arguments named `n` or `stop` vanish; the state parameter must be called `s`; unnamed gens collide: test_program.py
- a join in a loop keeps the first result; the children's meta info is lost; a fork before any text: test_fork.py
- arguments that do nothing (`position_ids_offset`, `use_thread`, `num_api_spec_tokens`): test_primitives.py,
  test_program.py
- errors that end a stream quietly: test_stream.py
- user code that is traced runs as often as it says: here and test_tracer.py
"""

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_backend import ScriptedBackend, ScriptedFailure

import palmette as pm
from palmette.lang.ir import Select
from palmette.runtime.operations.select import decide

# --- faults


@pytest.mark.parametrize("other", ["regex", "json_schema", "ebnf", "dtype", "type"])
def test_choices_do_not_silently_drop_another_constraint(other: str) -> None:
    constraints: dict[str, Any] = {
        "regex": "a",
        "json_schema": {"type": "integer"},
        "ebnf": 'root ::= "a"',
        "dtype": int,
        "type": int,
    }
    with pytest.raises(pm.InvalidArgument, match=f"choices and {other}: expected at most one"):
        pm.gen("x", choices=["a", "b"], **{other: constraints[other]})


def test_choices_do_not_silently_drop_the_number_of_samples() -> None:
    with pytest.raises(pm.InvalidArgument, match="n: expected 1 with choices"):
        pm.gen("x", choices=["a", "b"], n=2)


@pytest.mark.parametrize("tracing", ["auto", "always", "never"])
def test_user_code_runs_once(backend: ScriptedBackend, tracing: Any) -> None:
    """Neither the common prefix of a batch nor a trace needs a call of its own."""
    calls: list[int] = []

    @pm.function(tracing=tracing)
    def program(s, number):
        calls.append(number)
        s += "A long prefix that all items share. " * 20
        s += f"Item {number}: " + pm.gen("x")
        s += f" so {s['x']}" + pm.gen("y")

    program.run(-1)
    asyncio.run(program.arun(-2))
    state = program.run(-3, stream=True)
    assert "".join(state.text_iter()).endswith("<y>")
    program.run_batch([(number,) for number in range(20)])
    assert sorted(calls) == list(range(-3, 20))


@pytest.mark.parametrize("run", ["run", "arun", "run_batch"])
def test_async_user_code_runs_once(backend: ScriptedBackend, run: str) -> None:
    calls: list[int] = []

    @pm.function
    async def program(s, number):
        calls.append(number)
        s += "shared " + pm.gen("x")
        await s.get("x")

    if run == "run_batch":
        program.run_batch([(number,) for number in range(10)])
        assert sorted(calls) == list(range(10))
        return
    program.run(3) if run == "run" else asyncio.run(program.arun(3))
    assert calls == [3]


def scored(select: Select, token_logprobs: dict[int, list[float]]) -> Any:
    task = SimpleNamespace(
        branch=SimpleNamespace(token_ids=[1, 2], seed=0, path=0),
        choice_tokens=[list(range(len(each))) for each in token_logprobs.values()],
        token_logprobs=token_logprobs,
    )
    return decide(select, task, None, 0)[1]  # type: ignore[arg-type]  # all of a SelectTask that it looks at


def test_a_log_probability_of_exactly_zero_counts() -> None:
    """A token that is certain has 0.0; left out as if it were missing, [-2, 0, 0] would mean -2 and not -2/3."""
    result = scored(Select("x", ("sure once begun", "so")), {0: [-2.0, 0.0, 0.0], 1: [-1.0]})
    assert result.scores == (pytest.approx(-2 / 3), -1.0)
    assert result.choice == "sure once begun"
    assert [len(each) for each in result.token_logprobs] == [3, 1]
    certain = scored(Select("x", ("a", "b")), {0: [0.0], 1: [-5.0]})
    assert (certain.choice, certain.scores, certain.logprobs) == ("a", (0.0, -5.0), (0.0, -5.0))


def test_length_alone_neither_helps_nor_hurts() -> None:
    """The mean is over the choice's own tokens and nothing before them."""
    even = scored(Select("x", ("one", "one two three four")), {0: [-1.0], 1: [-1.0] * 4})
    assert even.scores == (-1.0, -1.0)
    for long_logprob, choice in ((-1.01, "one"), (-0.99, "one two three four")):
        result = scored(Select("x", ("one", "one two three four")), {0: [-1.0], 1: [long_logprob] * 4})
        assert result.choice == choice
    assert even.probabilities[0] > even.probabilities[1]  # that of the whole text is there as well


def test_each_round_of_a_loop_reads_its_own_branches(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        for _ in range(3):
            with s.fork(2) as branches:
                branches += pm.gen("x")
            s += f"[{s['x'][0]}{s['x'][1]}]"

    backend.answers = {"x": ["a", "b", "c", "d", "e", "f"]}
    assert program.run().text() == "[ab][cd][ef]"


def test_arguments_that_nobody_reads_are_refused(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += pm.gen("x")

    for name, value in (("tempreture", 1), ("num_threads", 3), ("progress_bar", True)):
        with pytest.raises((TypeError, pm.InvalidArgument), match=name):
            program.run(**{name: value})
    with pytest.raises(TypeError, match="tempreture"):
        pm.gen("x", tempreture=1)  # type: ignore[call-arg]  # that is the point
    with pytest.raises(pm.InvalidArgument, match="num_api_spec_tokens"):
        pm.function(num_api_spec_tokens=5)  # type: ignore[call-overload]  # that is the point


def test_a_stream_of_a_typed_value_that_does_not_come_is_no_short_stream(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += pm.gen("good") + pm.gen("bad")

    async def follow(state: pm.ProgramState, how: str) -> None:
        reader = {"text": state.text_async_iter, "events": state.events, "tokens": lambda: state.tokens("bad")}[how]
        async for _ in reader():
            pass

    backend.failures = {"bad": ScriptedFailure("no")}
    for how in ("text", "events", "tokens"):
        state = program.run(stream=True)
        with pytest.raises(pm.ProgramError, match="gen 'bad'"):
            asyncio.run(follow(state, how))


# --- where an error comes from


def here(mark: str) -> str:
    """The one line of this file that has the mark as its comment."""
    (number,) = (
        number
        for number, line in enumerate(inspect.getsource(inspect.getmodule(here)).splitlines(), 1)  # type: ignore[arg-type]
        if line.endswith(f"# at {mark}")
    )
    return f"{__file__}:{number}"


@pm.function
def plain(s):
    s += "a"
    s += pm.gen("good")
    s += pm.gen("bad")  # at plain
    return s["bad"]


@pm.function
def unread(s):
    s += "a"
    s += pm.gen("good")
    s += pm.gen("bad")  # at unread


@pm.function(tracing="always")
def traced(s):
    s += "a" + pm.gen("good")
    s += pm.gen("bad")  # at traced


@pm.function
async def awaited(s):
    s += "a" + pm.gen("good")
    return await s.gen("bad")  # at awaited


@pm.function
async def followed(s):
    s += "a" + pm.gen("good")
    value = s.gen("bad")  # at followed
    return [chunk async for chunk in value]


@pm.function
def appended(s):
    s += unread()


@pm.function
def nested(s):
    s += plain()["bad"]


@pm.function
async def awaits_another(s):
    await awaited(s)


@pm.function
def turned(s):
    with s.user():
        s += pm.gen("good")
        s += pm.gen("bad")  # at turned


@pm.function
def chosen(s):
    s += "a" + pm.gen("good")
    s.select("bad", ["x", "y"])  # at chosen


def sync(program: pm.Function) -> Callable[[], object]:
    return program.run


def on_a_loop(program: pm.Function) -> Callable[[], object]:
    return lambda: asyncio.run(program.arun())


def streamed(program: pm.Function) -> Callable[[], object]:
    return lambda: list(program.run(stream=True).text_iter())


def in_a_batch(program: pm.Function) -> Callable[[], object]:
    return lambda: program.run_batch([{}, {}])


def returned(program: pm.Function) -> Callable[[], object]:
    def run() -> None:
        first, second = program.run_batch([{}, {}], on_error="return")
        assert second.batch_index == 1
        raise first

    return run


RUNS = [sync, on_a_loop, streamed, in_a_batch, returned]


@pytest.mark.parametrize("how", RUNS, ids=lambda each: each.__name__)
@pytest.mark.parametrize(
    ("program", "mark"),
    [
        (plain, "plain"),
        (unread, "unread"),
        (traced, "traced"),
        (awaited, "awaited"),
        (followed, "followed"),
        (appended, "unread"),
        (nested, "plain"),
        (awaits_another, "awaited"),
        (turned, "turned"),
        (chosen, "chosen"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_every_error_says_which_program_operation_variable_and_line(
    backend: ScriptedBackend, how: Callable[[pm.Function], Callable[[], object]], program: pm.Function, mark: str
) -> None:
    cause = ScriptedFailure("no")
    backend.failures = {"bad": cause}
    with pytest.raises(pm.ProgramError) as caught:
        how(program)()
    error = caught.value
    assert error.program == {"nested": "plain"}.get(program.name, program.name)
    assert (error.branch, error.operation_index, error.variable) == ("main", 2, "bad")
    assert error.operation == ("select" if mark == "chosen" else "gen")
    assert error.source == here(mark)
    assert error.cause is error.__cause__ is cause
    assert (error.batch_index is not None) == (how in (in_a_batch, returned))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("read", ["branch", "joined", "wait", "nothing", "text", "errors"])
def test_errors_of_branches_name_the_branch(backend: ScriptedBackend, read: str, is_async: bool) -> None:
    def work(s: pm.ProgramState) -> Any:
        s += "a"
        branches = s.fork(3)
        for index, branch in enumerate(branches):
            branch += f"{index}"
            branch += pm.gen("bad" if index == 1 else "good")  # at branch
        return branches

    @pm.function
    def blocks(s):
        branches = work(s)
        if read == "branch":
            branches[1]["bad"]
        elif read == "wait":
            branches.wait()
        elif read == "errors":
            with contextlib.suppress(pm.ProgramError):
                branches.wait()
            raise branches.errors[1]
        elif read == "joined":
            branches.join()
            s["bad"]
        elif read == "text":
            branches.join("concate_and_append")
            s.text()

    @pm.function
    async def waits(s):
        branches = work(s)
        if read == "branch":
            await branches[1].get("bad")
        elif read == "wait":
            await branches.wait_async()
        elif read == "errors":
            with contextlib.suppress(pm.ProgramError):
                await branches.wait_async()
            raise branches.errors[1]
        elif read == "joined":
            branches.join()
            await s.get("bad")
        elif read == "text":
            branches.join("concate_and_append")
            await s.wait()

    backend.failures = {"bad": ScriptedFailure("no")}
    with pytest.raises(pm.ProgramError) as caught:
        (waits if is_async else blocks).run()
    error = caught.value
    while isinstance(error.cause, pm.ProgramError):
        error = error.cause  # the join failed with its branch
    assert (error.branch, error.operation_index, error.variable) == ("main.0[1]", 2, "bad")
    assert error.source == here("branch")
    assert isinstance(error.cause, ScriptedFailure)


def lookup(word: str) -> str:
    """Look a word up."""
    return word


def test_errors_of_an_agent_name_the_line_that_asked(backend: ScriptedBackend) -> None:
    agent = pm.agent([lookup])
    backend.failures = {"thought": ScriptedFailure("no"), "answer": ScriptedFailure("no")}

    async def ask() -> object:
        return await agent.arun("Who?")  # at arun

    @pm.function
    def solves(s):
        agent.solve(s, "Who?")  # at solve

    @pm.function
    async def solves_async(s):
        await agent.asolve(s, "Who?")  # at asolve

    runs: dict[str, Callable[[], object]] = {
        "run": lambda: agent.run("Who?"),  # at run
        "arun": lambda: asyncio.run(ask()),
        "solve": solves.run,
        "asolve": solves_async.run,
        "events": lambda: list(agent.events("Who?")),  # at events
    }
    for mark, run in runs.items():
        with pytest.raises(pm.ProgramError) as caught:
            run()
        error = caught.value
        assert isinstance(error.cause, ScriptedFailure)
        assert error.program == {"solve": "solves", "asolve": "solves_async"}.get(mark, "agent")
        assert error.variable is not None
        assert error.source == here(mark), mark


def test_errors_of_a_value_that_cannot_be_read_say_the_same(backend: ScriptedBackend) -> None:
    @pm.function
    def program(s):
        s += "a" + pm.gen("good")
        s += pm.gen("bad", type=int)  # at typed
        return s["bad"]

    backend.answers = {"bad": "many"}
    for how in RUNS:
        with pytest.raises(pm.ProgramError) as caught:
            how(program)()
        error = caught.value
        assert (error.program, error.operation_index, error.variable) == ("program", 2, "bad")
        assert error.source == here("typed")
        assert isinstance(error.cause, pm.GrammarError)
