"""What an engine counts for whoever watches it, and what it tells of tokens while they are written."""

import asyncio

from palmette.grammar.spec import Regex
from palmette.lang.events import GenResult, TextDelta, TokenLogprob, ValueReady
from palmette.lang.ir import Gen, Text
from palmette.lang.plan import Plan, PlanBranch
from palmette.lang.sampling_params import SamplingParams
from palmette.runtime.local.embedded import Engine

PARAMS = SamplingParams(max_new_tokens=24, temperature=0.8, seed=3, return_logprob=True, top_logprobs_num=3)
GEN = Gen("a", PARAMS, Regex("(?:yes, of course|no, of course not), because [a-z ]{8}"))


async def streamed(engine: Engine, *, is_plan: bool, is_streaming: bool = True) -> tuple[list[TextDelta], GenResult]:
    """The deltas of a generation and its result."""
    deltas: list[TextDelta] = []
    results: list[GenResult] = []
    steps = (Text("Is it so? "), GEN)

    def take(event: object) -> None:
        if isinstance(event, TextDelta) and event.name is not None:
            deltas.append(event)
        elif isinstance(event, ValueReady):
            assert isinstance(event.result, tuple)
            results.extend(event.result)

    if is_plan:
        run = engine.run_plan(Plan("p", (), (PlanBranch("root", None, steps),)), {}, is_streaming=is_streaming)
        async for _, event in run.events():
            take(event)
    else:
        branch = await engine.open_branch()
        async for each in branch.run(steps):
            take(each)
        await branch.close()
    return deltas, results[0]


def test_deltas_tell_probabilities_and_what_was_forced() -> None:
    with Engine(max_total_tokens=4096) as engine:
        for how in ({"is_plan": False}, {"is_plan": True}, {"is_plan": True, "is_streaming": False}):
            deltas, result = asyncio.run(streamed(engine, **how))
            logprobs: list[TokenLogprob] = []
            forced: list[int] = []
            token_ids: list[int] = []
            for delta in deltas:
                assert len(delta.logprobs) == len(delta.token_ids)
                forced += [len(token_ids) + index for index in delta.forced]
                token_ids += delta.token_ids
                logprobs += delta.logprobs
            assert result.output_logprobs is not None
            assert token_ids == list(result.token_ids[: len(token_ids)])
            assert logprobs == list(result.output_logprobs[: len(logprobs)])
            assert forced == [index for index in result.forced if index < len(token_ids)]
            assert forced


def test_masks_grammars_and_evictions_are_counted() -> None:
    gen = {"max_new_tokens": 12, "regex": "[a-z ]{8,}", "ignore_eos": True}
    with Engine(max_total_tokens=4096, page_size=8) as engine:
        engine.generate("The first", gen)
        first = engine.stats()
        assert first["num_grammar_compiles"] == 1
        assert first["num_masks"] == 12
        assert first["mask_fill_us"] > 0
        assert first["mask_wait_us"] > 0
        assert first["grammar_compile_us"] > 0
        assert first["num_grammar_timeouts"] == first["num_evicted_tokens"] == 0
        engine.generate("The second", gen)
        second = engine.stats()
        assert second["num_grammar_compiles"] == 1
        assert second["num_grammar_hits"] > first["num_grammar_hits"]
        engine.flush_cache()
        assert engine.stats()["num_evicted_tokens"] == second["num_cached_tokens"] > 0
        assert engine.stats()["num_branches"] == 0
