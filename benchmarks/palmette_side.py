"""PalmetteSide: the workloads through palmette's public face."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from answer import Answer
from palmette_answers import generated
from programs.program_workload import PalmetteProgram, ProgramWorkload, generation_options
from workloads import Shape, Workload

import palmette as pm


@pm.function
def continue_text(s: pm.ProgramState, prefix: str, ending: str, num_tokens: int, wants_ids: bool) -> None:
    """A program whose text begins with what many others begin with."""
    s += prefix + ending
    s += pm.gen("answer", max_tokens=num_tokens, temperature=0, ignore_eos=True, return_logprob=wants_ids)


@pm.function
def fork_text(s: pm.ProgramState, prefix: str, endings: tuple[str, ...], num_tokens: int, wants_ids: bool) -> None:
    """One text that goes on in several ways."""
    s += prefix
    branches = s.fork(len(endings))
    for branch, ending in zip(branches, endings, strict=True):
        branch += ending
        branch += pm.gen("answer", max_tokens=num_tokens, temperature=0, ignore_eos=True, return_logprob=wants_ids)
    branches.join()


@pm.function
def extract(s: pm.ProgramState, request: str, schema: str, num_tokens: int, wants_ids: bool) -> None:
    """A chat turn answered under a schema."""
    s += pm.user(request)
    s += pm.assistant(
        pm.gen("answer", max_tokens=num_tokens, temperature=0, json_schema=schema, return_logprob=wants_ids)
    )


class PalmetteSide:
    """An engine in float32 on the CPU, and the programs above."""

    name = "palmette"

    def __init__(self, model_path: Path) -> None:
        # What one round has written would be guessed in the next; bench_speculation.py measures what that brings.
        self._engine = pm.Engine(model_path, dtype="float32", device="cpu", speculation="off")
        pm.set_default_backend(self._engine)

    def run(self, workload: Workload | ProgramWorkload, num_tokens: int, *, wants_ids: bool = False) -> list[Answer]:
        """All answers, from a cold cache; with their tokens if `wants_ids` (which costs a little)."""
        if isinstance(workload, ProgramWorkload):
            return self._run_program(workload.with_palmette, workload, num_tokens, wants_ids=wants_ids)
        pm.flush_cache()
        match workload.shape:
            case Shape.PROMPTS:
                params = {"max_new_tokens": num_tokens, "temperature": 0, "ignore_eos": True}
                outputs = self._engine.generate(list(workload.prompts), params)
                return [Answer(len(each["output_ids"]), tuple(each["output_ids"])) for each in outputs]
            case Shape.PROGRAMS:
                texts = [(workload.prefix, ending, num_tokens, wants_ids) for ending in workload.endings]
                return generated(continue_text.run_batch(texts), ["answer"])
            case Shape.FORK:
                state = fork_text.run(workload.prefix, workload.endings, num_tokens, wants_ids)
                return generated([state], ["answer"])
            case Shape.EXTRACTION:
                requests = [(prompt, workload.schema, num_tokens, wants_ids) for prompt in workload.prompts]
                return generated(extract.run_batch(requests), ["answer"])

    def variants(self, workload: Workload | ProgramWorkload) -> dict[str, Callable[..., list[Answer]]]:
        """Other ways of palmette to do the same, by name; called as `run` is."""
        if not isinstance(workload, ProgramWorkload):
            return {}
        return {name: partial(self._run_program, program) for name, program in workload.variants}

    def _run_program(
        self,
        program: PalmetteProgram,
        workload: ProgramWorkload,  # noqa: ARG002 - all ways of all sides are called alike
        num_tokens: int,
        *,
        wants_ids: bool = False,
    ) -> list[Answer]:
        pm.flush_cache()
        return program(generation_options(num_tokens, wants_ids=wants_ids))

    def close(self) -> None:
        """End the engine."""
        pm.set_default_backend(None)
        self._engine.shutdown()
