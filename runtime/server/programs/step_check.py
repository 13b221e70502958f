"""check_step: refuses an operation of a client's that the language would not have made, or that is too much."""

import math

import msgspec

from ....lang.ir import DeclareTools, Fork, Gen, Join, Operation, Score, Select
from ....lang.plan import Step
from ..api_error import refused
from ..sampling import check_stop_patterns
from ..settings import LimitSettings

_MAX_CHOICES = 1_024


def check_step(step: Step | Operation, param: str, limits: LimitSettings) -> None:
    """Check what the structs do not check themselves; `param` names the step. To be called in a thread.

    Raises: ApiError.
    """
    match step:
        case Select():
            _check_select(step, param)
        case Score(text=""):
            raise refused(f"{param}.text", "at least one character", "")
        case DeclareTools(tools=tools):
            if len(tools) > limits.max_tools:
                raise refused(f"{param}.tools", f"at most {limits.max_tools}", len(tools))
            for index, tool in enumerate(tools):
                _check_schema(tool.parameters, f"{param}.tools[{index}].parameters")
        case Gen():
            _check_gen(step, param, limits)
        case Fork() | Join(branch_ids=()):
            raise refused(f"{param}.type", "an operation of a branch by itself", type(step).__name__.lower())


def _check_select(select: Select, param: str) -> None:
    if not 1 <= len(select.choices) <= _MAX_CHOICES:
        raise refused(f"{param}.choices", f"1 to {_MAX_CHOICES} choices", len(select.choices))
    if "" in select.choices or len(set(select.choices)) < len(select.choices):
        raise refused(f"{param}.choices", "texts that are not empty, and differ", list(select.choices)[:8])
    if not (math.isfinite(select.temperature) and select.temperature >= 0):
        raise refused(f"{param}.temperature", "a finite number >= 0", select.temperature)


def _check_gen(gen: Gen, step: str, limits: LimitSettings) -> None:
    params, param = gen.params, f"{step}.params"
    stops = (*params.stop, *params.stop_regex)
    if len(stops) + len(params.stop_token_ids) > limits.max_stops:
        raise refused(f"{param}.stop", f"at most {limits.max_stops} stops", len(stops))
    if any(len(stop) > limits.max_stop_len for stop in stops):
        raise refused(f"{param}.stop", f"at most {limits.max_stop_len} characters each", max(map(len, stops)))
    check_stop_patterns(params.stop_regex, f"{param}.stop_regex")
    if params.n > limits.max_samples:
        raise refused(f"{param}.n", f"at most {limits.max_samples}", params.n)
    if params.top_logprobs_num > limits.max_logprobs:
        raise refused(f"{param}.top_logprobs_num", f"at most {limits.max_logprobs}", params.top_logprobs_num)
    if len(params.logit_bias) > limits.max_logit_bias:
        raise refused(f"{param}.logit_bias", f"at most {limits.max_logit_bias} tokens", len(params.logit_bias))
    if gen.constraint is not None:
        num_bytes = len(msgspec.json.encode(gen.constraint))
        if num_bytes > limits.max_schema_bytes:
            raise refused(f"{step}.constraint", f"at most {limits.max_schema_bytes} bytes", num_bytes)


def _check_schema(text: str, param: str) -> None:
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refused(param, "JSON text", text) from error
    if not isinstance(schema, dict):
        raise refused(param, "a JSON object, as text", text)
