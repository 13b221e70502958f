"""PalmetteSide: the workloads through palmette's public face."""

from collections.abc import Iterable
from pathlib import Path

from answer import Answer
from workloads import Shape, Workload

import palmette as pm


@pm.function
def continue_text(s: pm.ProgramState, prefix: str, ending: str, num_tokens: int, wants_ids: bool) -> None:
    """A program whose text begins with what many others begin with."""
    s += prefix + ending
    s += pm.gen("answer", max_tokens=num_tokens, temperature=0, ignore_eos=True, return_logprob=wants_ids)


@pm.function
def fork_text(
    s: pm.ProgramState, prefix: str, endings: tuple[str, ...], num_tokens: int, wants_ids: bool
) -> list[Answer]:
    """One text that goes on in several ways."""
    s += prefix
    branches = s.fork(len(endings))
    for branch, ending in zip(branches, endings, strict=True):
        branch += ending
        branch += pm.gen("answer", max_tokens=num_tokens, temperature=0, ignore_eos=True, return_logprob=wants_ids)
    return [_answer(branch, wants_ids) for branch in branches]


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
        self._engine = pm.Engine(model_path, dtype="float32", device="cpu")
        pm.set_default_backend(self._engine)

    def run(self, workload: Workload, num_tokens: int, *, wants_ids: bool = False) -> list[Answer]:
        """One answer for each ending, from a cold cache; with their tokens if `wants_ids` (which costs a little)."""
        pm.flush_cache()
        match workload.shape:
            case Shape.PROMPTS:
                params = {"max_new_tokens": num_tokens, "temperature": 0, "ignore_eos": True}
                outputs = self._engine.generate(list(workload.prompts), params)
                return [Answer(len(each["output_ids"]), tuple(each["output_ids"])) for each in outputs]
            case Shape.PROGRAMS:
                texts = [(workload.prefix, ending, num_tokens, wants_ids) for ending in workload.endings]
                return _answers(continue_text.run_batch(texts), wants_ids)
            case Shape.FORK:
                state = fork_text.run(workload.prefix, workload.endings, num_tokens, wants_ids)
                answers: list[Answer] = state.ret_value
                return answers
            case Shape.EXTRACTION:
                requests = [(prompt, workload.schema, num_tokens, wants_ids) for prompt in workload.prompts]
                return _answers(extract.run_batch(requests), wants_ids)

    def close(self) -> None:
        """End the engine."""
        pm.set_default_backend(None)
        self._engine.shutdown()


def _answers(states: Iterable[pm.ProgramState], wants_ids: bool) -> list[Answer]:
    return [_answer(state, wants_ids) for state in states]


def _answer(state: pm.ProgramState, wants_ids: bool) -> Answer:
    meta = state.get_meta_info("answer")
    if not wants_ids:
        return Answer(meta["completion_tokens"], None)
    token_ids = tuple(token_id for _, token_id, _ in meta["output_token_logprobs"])
    return Answer(len(token_ids), token_ids)
