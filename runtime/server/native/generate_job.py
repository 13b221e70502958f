"""NativeJob: one prompt of `/generate`, read and checked, and the results that come of it."""

import time
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from ....lang.events import FinishReason, GenResult, TextDelta, ValueReady
from ....lang.ir import Gen, Operation, Text, Tokens
from ....lang.sampling_params import SamplingParams
from ...generate_arguments import Job, gen_jobs
from ...generate_outputs import Output, output_of, partial_output
from ..api_error import refused
from ..parts import ServerParts
from ..sampling import check_stop_patterns
from ..settings import LimitSettings
from ..work import run_samples
from .generate_body import GenerateBody

_MAX_KEY_LEN = 12


@dataclass(frozen=True)
class NativeJob:
    """`is_prefill`: nothing is to be generated, the prompt alone is wanted."""

    job: Job
    request_id: str
    tenant: str
    cache_salt: str
    is_prefill: bool

    @property
    def gen(self) -> Gen:
        """What is generated."""
        last = self.job.operations[-1]
        assert isinstance(last, Gen), last
        return last

    async def outputs(self, parts: ServerParts) -> list[Output]:
        """The results, one a sample."""
        outputs: list[Output] = []
        async with aclosing(self._run(parts, 1, self.gen, is_streaming=False)) as results:
            async for _, result in results:
                if isinstance(result, list):
                    outputs = result
        return outputs

    async def stream(self, parts: ServerParts) -> AsyncGenerator[tuple[int, Output], None]:
        """(sample, its result so far), the last of each whole; to be read under `aclosing`."""
        params = self.gen.params
        gen = msgspec.structs.replace(self.gen, params=msgspec.structs.replace(params, n=1))
        texts = [""] * params.n
        token_ids: list[list[int]] = [[] for _ in range(params.n)]
        async with aclosing(self._run(parts, params.n, gen, is_streaming=True)) as results:
            async for sample, result in results:
                if isinstance(result, list):
                    yield sample, result[0]
                    continue
                texts[sample] += result.text
                token_ids[sample] += result.token_ids
                if not self.is_prefill:
                    num_tokens = len(token_ids[sample])
                    yield (
                        sample,
                        partial_output(
                            texts[sample], token_ids[sample], id=self._id_of(sample), completion_tokens=num_tokens
                        ),
                    )

    async def _run(
        self, parts: ServerParts, num_samples: int, gen: Gen, *, is_streaming: bool
    ) -> AsyncGenerator[tuple[int, TextDelta | list[Output]], None]:
        began = time.monotonic()
        with parts.running.enter("/generate", request_id=self.request_id, tenant=self.tenant):
            events = run_samples(
                parts,
                _prompt(self.job.operations[:-1]),
                gen,
                num_samples,
                terms=self.job.terms,
                cache_salt=self.cache_salt,
                is_streaming=is_streaming,
            )
            async with aclosing(events):
                async for sample, event in events:
                    if isinstance(event, TextDelta) and event.name is not None:
                        yield sample, event
                    elif isinstance(event, ValueReady):
                        assert isinstance(event.result, tuple), event.name
                        outputs = [self._output(result, sample + number) for number, result in enumerate(event.result)]
                        for output in outputs:
                            output["meta_info"]["e2e_latency"] = time.monotonic() - began
                        yield sample, outputs

    def _output(self, result: GenResult, number: int) -> Output:
        if self.is_prefill:
            result = msgspec.structs.replace(
                result,
                text="",
                token_ids=(),
                finish_reason=FinishReason("length"),
                output_logprobs=None if result.output_logprobs is None else (),
                forced=(),
            )
        return output_of(result, self._id_of(number))

    def _id_of(self, sample: int) -> str:
        return self.request_id if self.gen.params.n == 1 else f"{self.request_id}_{sample}"


def native_jobs(body: GenerateBody, tenant: str, parts: ServerParts) -> tuple[list[NativeJob], bool]:
    """One job for each prompt, and whether a list was given; to be called in a thread.

    Raises: ApiError, InvalidRequest, InvalidArgument, GrammarError.
    """
    settings = parts.settings
    defaults = settings.defaults
    num_prompts = len(body.text) if isinstance(body.text, list) else len(body.input_ids or ())
    if isinstance(body.text, list) and num_prompts > settings.limits.max_prompts:
        raise refused("text", f"at most {settings.limits.max_prompts} prompts", num_prompts)
    params, is_prefill = _sampling(body)
    jobs, is_list = gen_jobs(
        body.text,
        params,
        body.input_ids,  # type: ignore[arg-type]  # a list of both is refused by whoever reads it
        body.return_logprob or False,
        body.top_logprobs_num or 0,
        body.logprob_start_len,
        {
            "priority": body.priority or 0,
            "tenant": tenant,
            "queue_timeout_s": defaults.queue_timeout_s if body.queue_timeout_s is None else body.queue_timeout_s,
            "timeout_s": defaults.timeout_s if body.timeout_s is None else body.timeout_s,
        },
    )
    if len(jobs) > settings.limits.max_prompts:
        raise refused("input_ids", f"at most {settings.limits.max_prompts} prompts", len(jobs))
    ids = _request_ids(body.rid, len(jobs), is_list=is_list)
    flags = is_prefill if len(is_prefill) == len(jobs) else is_prefill * len(jobs)
    made = [
        NativeJob(job, request_id, tenant, body.cache_salt or body.extra_key or "", flag)
        for job, request_id, flag in zip(jobs, ids, flags, strict=True)
    ]
    num_samples = sum(each.gen.params.n for each in made)
    if num_samples > settings.limits.max_samples and num_samples > len(made):
        raise refused("sampling_params.n", f"at most {settings.limits.max_samples} samples in all", num_samples)
    for each in made:
        check_limits(each.gen.params, settings.limits)
    return made, is_list


def check_limits(params: SamplingParams, limits: LimitSettings) -> None:
    """Refuse what is more than the server takes. Raises: ApiError."""
    stops = (*params.stop, *params.stop_regex)
    if len(stops) + len(params.stop_token_ids) > limits.max_stops:
        raise refused("sampling_params.stop", f"at most {limits.max_stops} stops", len(stops))
    if any(len(stop) > limits.max_stop_len for stop in stops):
        raise refused("sampling_params.stop", f"at most {limits.max_stop_len} characters each", max(map(len, stops)))
    check_stop_patterns(params.stop_regex, "sampling_params.stop_regex")
    if params.top_logprobs_num > limits.max_logprobs:
        raise refused("top_logprobs_num", f"at most {limits.max_logprobs}", params.top_logprobs_num)
    if len(params.logit_bias) > limits.max_logit_bias:
        raise refused("sampling_params.logit_bias", f"at most {limits.max_logit_bias} tokens", len(params.logit_bias))


def _sampling(body: GenerateBody) -> tuple[Mapping[str, Any] | list[Mapping[str, Any]], list[bool]]:
    """The sampling parameters, one or a list, and whether nothing is to be generated.

    A generation of nothing is one of a token that is thrown away: it costs no more than the prompt.
    """
    given = body.sampling_params or {}
    read = [_one_sampling(body, each) for each in (given if isinstance(given, list) else [given])]
    params = [each for each, _ in read]
    return (params if isinstance(given, list) else params[0]), [is_prefill for _, is_prefill in read]


def _one_sampling(body: GenerateBody, own: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    if body.return_text_in_logprobs is not None:
        own = {"return_text_in_logprobs": body.return_text_in_logprobs, **own}
    biases = own.get("logit_bias")
    if isinstance(biases, Mapping):
        own = {**own, "logit_bias": {_token_id(key): bias for key, bias in biases.items()}}
    is_prefill = own.get("max_new_tokens", own.get("max_tokens")) == 0
    if is_prefill:
        own = {name: value for name, value in own.items() if name not in ("max_tokens", "min_new_tokens")}
        own["max_new_tokens"] = 1
        if body.return_logprob and body.logprob_start_len is None:
            own = {"logprob_start_len": 0, **own}  # nothing else is there to report of
    return own, is_prefill


def _token_id(key: str) -> int | str:
    """JSON has no numbers as keys; what is no token id is left to whoever checks them."""
    return int(key) if key.isascii() and key.isdecimal() and len(key) < _MAX_KEY_LEN else key


def _request_ids(given: str | list[str] | None, num_jobs: int, *, is_list: bool) -> list[str]:
    if isinstance(given, list):
        if len(given) != num_jobs or not all(given):
            raise refused("rid", f"one for each of the {num_jobs} prompts", len(given))
        return given
    base = given or uuid.uuid4().hex
    return [f"{base}_{index}" for index in range(num_jobs)] if is_list else [base]


def _prompt(operations: Sequence[Operation]) -> list[Text | Tokens]:
    return [operation for operation in operations if isinstance(operation, Text | Tokens)]
