"""Engine: the whole runtime inside a Python process, shaped as SGLang's offline engine."""

import asyncio
import contextlib
import queue
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from ...grammar.errors import GrammarError
from ...grammar.spec import Constraint
from ...lang.backend import Branch
from ...lang.events import Event, TextDelta, ValueReady
from ...lang.ir import Gen
from ...lang.plan import Plan
from ...lang.terms import DEFAULT_TERMS, Terms
from ..assembly import assemble
from ..cache.tree_snapshot import TreeSnapshot
from ..config import EngineConfig
from ..engine import EngineCore
from ..engine_thread import EngineThread
from ..errors import EngineClosed, InvalidRequest
from ..generate_arguments import Job, gen_jobs, naming_item
from ..generate_outputs import Output, outputs_of, partial_output
from ..request import Ended, Listener, Request
from ..text.stop_automaton import stop_automaton
from .local_backend import LocalBackend
from .local_branch import LocalBranch
from .local_plan_run import LocalPlanRun


class Engine:
    """A model with its cache and scheduler, running in a thread of this process.

        with Engine() as engine:                        # sprig, the embedded model
            print(engine.generate("The capital of France is", {"max_new_tokens": 4})["text"])

    `model_path` is a Hugging Face folder; None is sprig. The options have SGLang's names: `dtype` ("auto",
    "float32", "bfloat16", "float16"), `quantization` ("int8", "fp8"), `device` ("auto", "cpu", "cuda"),
    `context_length`, `attention_backend` ("auto", or who attends: docs/gpu.md), `cuda_graphs`, `deterministic`,
    `page_size`, `max_total_tokens`, `kv_cache_dtype` ("auto", "fp8_e4m3"), `disable_radix_cache`,
    `radix_eviction_policy` ("lru", "lfu", "priority"), `chunked_prefill_size`, `max_running_requests`,
    `max_queued_requests`, `max_queued_tokens`, `schedule_policy` ("fair-lpm", "fcfs", "lpm", "dfs", "priority"),
    `overlap_schedule` (docs/gpu.md), `speculation` and `draft_model` (docs/speculation.md), `random_seed`. For
    constraints: `max_rollbacks`, `max_tokens_taken_back`, `num_mask_threads`, `validate_output`,
    `num_compile_workers`, `compile_timeout_s`, `compile_memory_mb`, `grammar_cache_mb` (docs/constraints.md).

    It is also a backend of the language: `palmette.set_default_backend(engine)`. An engine that is dropped without
    `shutdown` ends its thread and gives the model back, too.

    Raises: InvalidOption for an option that is unknown or wrong, ModelLoadError for a folder that cannot be used.
    """

    def __init__(self, model_path: str | Path | None = None, **options: Any) -> None:
        self.config = EngineConfig.from_options(model_path, **options)
        parts = assemble(self.config)
        self.tokenizer = parts.tokenizer
        self.chat_template = parts.chat_template
        self._thread = EngineThread(parts.core)
        self._backend = LocalBackend(self._thread, parts.compiler)
        self._compiler = parts.compiler
        self._end = weakref.finalize(self, _close_soon, self._thread)
        self._end.atexit = False  # at exit nobody needs the memory back, and a step that runs would hold it up

    # --- SGLang's face

    def generate(
        self,
        prompt: str | Sequence[str] | None = None,
        sampling_params: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
        input_ids: Sequence[int] | Sequence[Sequence[int]] | None = None,
        stream: bool = False,
        return_logprob: bool | Sequence[bool] = False,
        top_logprobs_num: int | Sequence[int] = 0,
        *,
        logprob_start_len: int | Sequence[int | None] | None = None,
        priority: int | Sequence[int] = 0,
        tenant: str | Sequence[str] = "",
        queue_timeout_s: float | Sequence[float | None] | None = None,
        timeout_s: float | Sequence[float | None] | None = None,
    ) -> Output | list[Output] | Iterator[Output]:
        """Generate from one prompt or from a list of them, given as text or as token ids.

        Every other argument is one for all, or a list of one each. `sampling_params` takes the names of
        `SamplingParams`, one constraint: `json_schema`, `regex`, `ebnf`, `lark`, `choices` or `constraint` (one of
        `palmette.grammar.spec`), and `prediction`, what the text will be, mostly. A list of prompts, or `n` > 1,
        gives a list of results in order. When one of a list fails, or the wait is interrupted, the others are
        cancelled; a note on the error says which it was. With `stream` (one prompt, one sample) an iterator of
        results whose text grows; the last one is whole.

        `priority`: the higher, the less a request loses to others when memory is short, and with the policy "priority"
        it goes first. `tenant`: on whose account it runs; tenants that wait get equal shares. `queue_timeout_s`,
        `timeout_s`: seconds from its arrival in which it must have begun to run, and have ended.

        Raises: InvalidRequest, RequestTooLong, EmptyPrompt, InvalidArgument, GrammarError, QueueFull,
        DeadlineExceeded.
        """
        jobs, is_list = gen_jobs(
            prompt,
            sampling_params,
            input_ids,
            return_logprob,
            top_logprobs_num,
            logprob_start_len,
            {"priority": priority, "tenant": tenant, "queue_timeout_s": queue_timeout_s, "timeout_s": timeout_s},
        )
        if stream:
            _check_streamable(jobs, is_list)
            return self._stream(jobs[0])
        outputs = [output for value in self._values(jobs, is_list) for output in outputs_of(value)]
        return outputs if is_list or len(outputs) > 1 else outputs[0]

    async def async_generate(
        self,
        prompt: str | Sequence[str] | None = None,
        sampling_params: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
        input_ids: Sequence[int] | Sequence[Sequence[int]] | None = None,
        stream: bool = False,
        return_logprob: bool | Sequence[bool] = False,
        top_logprobs_num: int | Sequence[int] = 0,
        *,
        logprob_start_len: int | Sequence[int | None] | None = None,
        priority: int | Sequence[int] = 0,
        tenant: str | Sequence[str] = "",
        queue_timeout_s: float | Sequence[float | None] | None = None,
        timeout_s: float | Sequence[float | None] | None = None,
    ) -> Output | list[Output] | AsyncIterator[Output]:
        """`generate` for an event loop; with `stream`, awaiting it gives an async iterator."""
        jobs, is_list = gen_jobs(
            prompt,
            sampling_params,
            input_ids,
            return_logprob,
            top_logprobs_num,
            logprob_start_len,
            {"priority": priority, "tenant": tenant, "queue_timeout_s": queue_timeout_s, "timeout_s": timeout_s},
        )
        if stream:
            _check_streamable(jobs, is_list)
            return self._async_stream(jobs[0])
        values = await self._async_values(jobs, is_list)
        outputs = [output for value in values for output in outputs_of(value)]
        return outputs if is_list or len(outputs) > 1 else outputs[0]

    def flush_cache(self) -> None:
        """Forget all cached prefixes that no running request uses."""
        self._thread.ask(lambda core: core.flush_cache()).result()

    def shutdown(self) -> None:
        """End the engine's thread and processes; open requests fail with EngineClosed. A second call does nothing."""
        self._thread.close()
        self._compiler.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()

    # --- what traces and plans ask

    @property
    def model_name(self) -> str:
        """The model's folder, or "sprig"."""
        path = self.config.model.path
        return "sprig" if path is None else str(path)

    def token_len(self, text: str) -> int:
        """How many tokens `text` has by itself; no special tokens are read in it."""
        return len(self.tokenizer.encode(text, has_special=False))

    def token_text(self, token_id: int) -> str:
        """How a token is spelt by itself."""
        return self.tokenizer.decode([token_id], skip_special_tokens=False)

    def enforced_by(self, constraint: Constraint) -> str:
        """Which engine enforces a constraint, and why; or why it is refused. Compiles it, and keeps it compiled."""
        try:
            compiled = self._compiler.compile(constraint)
        except GrammarError as error:
            return f"refused: {error}"
        return f"{compiled.engine}, {compiled.reason}"

    # --- the language's port

    async def open_branch(
        self, *, seed: int | None = None, cache_salt: str = "", terms: Terms = DEFAULT_TERMS
    ) -> LocalBranch:
        """See `lang.backend.Backend`."""
        return await self._backend.open_branch(seed=seed, cache_salt=cache_salt, terms=terms)

    def run_plan(
        self,
        plan: Plan,
        roots: Mapping[int, Branch],
        *,
        seed: int | None = None,
        cache_salt: str = "",
        terms: Terms = DEFAULT_TERMS,
        is_streaming: bool = False,
    ) -> LocalPlanRun:
        """See `lang.backend.PlanBackend`."""
        return self._backend.run_plan(
            plan, roots, seed=seed, cache_salt=cache_salt, terms=terms, is_streaming=is_streaming
        )

    async def aflush_cache(self) -> None:
        """`flush_cache`, for an event loop."""
        await self._backend.aflush_cache()

    async def aclose(self) -> None:
        """`shutdown`, for an event loop."""
        await self._backend.aclose()
        self._compiler.close()

    # --- inside

    def check_integrity(self) -> None:
        """Raise AssertionError unless pool, tree and branches agree to the page; waits for the step that runs."""
        self._thread.ask(lambda core: core.check_integrity()).result()

    def stats(self) -> dict[str, int]:
        """Counters since the start: steps, tokens, preemptions, refusals; and what is queued, free and cached now."""
        return self._thread.ask(lambda core: core.stats()).result()

    def tree(self, max_nodes: int = 500, num_preview_tokens: int = 24) -> TreeSnapshot:
        """The radix tree at this moment: at most `max_nodes` nodes, and how the text of each begins, in tokens."""

        def look(core: EngineCore) -> TreeSnapshot:
            holders = [(each.branch_id, each.node) for each in core.memory.holders if each.node is not None]
            return core.memory.cache.snapshot(holders, max_nodes=max_nodes, num_preview_tokens=num_preview_tokens)

        return self._thread.ask(look).result()

    def _values(self, jobs: Sequence[Job], is_list: bool) -> list[ValueReady]:
        """Run the jobs together and wait for all; however the wait ends, none runs on after it."""
        for index, job in enumerate(jobs):
            with naming_item(index if is_list else None):
                self._compile(job)
        arrived: queue.SimpleQueue[tuple[int, Event | Ended]] = queue.SimpleQueue()
        requests: list[Future[Request]] = []
        values: dict[int, ValueReady] = {}
        try:
            for index, job in enumerate(jobs):
                requests.append(self._start(job, partial(_put_numbered, arrived, index)))
            for request in requests:
                request.result()  # raises where it could not even begin
            num_open = len(jobs)
            while num_open:
                index, item = arrived.get()  # an interrupt arrives here
                if isinstance(item, ValueReady):
                    values[index] = item
                elif isinstance(item, Ended):
                    num_open -= 1
                    with naming_item(index if is_list else None):
                        _raise_if_failed(item)
        except BaseException:
            for request in requests:
                self._cancel(request)
            raise
        return [values[index] for index in range(len(jobs))]

    def _start(self, job: Job, listener: Listener) -> "Future[Request]":
        return self._thread.ask(lambda core: core.submit_alone(job.operations, listener, job.terms))

    def _cancel(self, request: "Future[Request]") -> None:
        """Stop a request, whose submission comes before this in the engine's inbox; harmless where it has ended."""

        def cancel(core: EngineCore) -> None:
            if request.done() and not request.cancelled() and request.exception() is None:
                core.cancel(request.result())

        with contextlib.suppress(EngineClosed):  # then it has been cancelled already
            self._thread.tell(cancel)

    def _compile(self, job: Job) -> None:
        for operation in job.operations:
            if not isinstance(operation, Gen):
                continue
            for pattern in operation.params.stop_regex:
                stop_automaton(pattern)
            if operation.constraint is not None:
                self._compiler.compile(operation.constraint)

    def _stream(self, job: Job) -> Iterator[Output]:
        self._compile(job)
        arrived: queue.SimpleQueue[Event | Ended] = queue.SimpleQueue()
        request = self._start(job, arrived.put)
        text = ""
        try:
            request.result()  # raises where it could not even begin
            while not isinstance(item := arrived.get(), Ended):
                match item:
                    case TextDelta(name=str(), text=more):
                        text += more
                        yield partial_output(text)
                    case ValueReady():
                        yield outputs_of(item)[0]
            _raise_if_failed(item)
        finally:
            self._cancel(request)

    async def _async_values(self, jobs: Sequence[Job], is_list: bool) -> list[ValueReady]:
        """`_values`, for an event loop."""
        tasks = [
            asyncio.create_task(self._async_value(job, index if is_list else None)) for index, job in enumerate(jobs)
        ]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _async_events(self, job: Job) -> AsyncGenerator[Event, None]:
        branch = await self._backend.open_branch(terms=job.terms)
        try:
            async for event in branch.run(job.operations):
                yield event
        finally:
            await branch.close()

    async def _async_value(self, job: Job, item: int | None) -> ValueReady:
        value: ValueReady | None = None
        with naming_item(item):
            async with contextlib.aclosing(self._async_events(job)) as events:
                async for event in events:
                    if isinstance(event, ValueReady):
                        value = event
        assert value is not None, job
        return value

    async def _async_stream(self, job: Job) -> AsyncIterator[Output]:
        text = ""
        async with contextlib.aclosing(self._async_events(job)) as events:
            async for event in events:
                match event:
                    case TextDelta(name=str(), text=more):
                        text += more
                        yield partial_output(text)
                    case ValueReady():
                        yield outputs_of(event)[0]


def _close_soon(thread: EngineThread) -> None:
    """End the thread without waiting for it: this runs wherever the garbage collector does."""
    threading.Thread(target=thread.close, name="palmette-engine-end", daemon=True).start()


def _check_streamable(jobs: Sequence[Job], is_list: bool) -> None:
    last = jobs[0].operations[-1]
    if is_list or not isinstance(last, Gen) or last.params.n != 1:
        raise InvalidRequest("stream: expected one prompt and n = 1, got more; call generate once for each")


def _put_numbered(arrived: "queue.SimpleQueue[tuple[int, Event | Ended]]", index: int, item: Event | Ended) -> None:
    if not isinstance(item, TextDelta):  # nobody reads it here, and to be woken for each costs more than a token
        arrived.put((index, item))


def _raise_if_failed(ended: Ended) -> None:
    if ended.error is not None:
        raise ended.error
