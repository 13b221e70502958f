"""gen_fields: a generation as the fields of a request to an OpenAI-compatible endpoint, or why it cannot be."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from ...grammar.spec import Choice, Constraint, Ebnf, JsonSchema, Lark, Regex
from ..ir import Gen
from ..sampling_params import SamplingParams
from .errors import EndpointLimit

Dialect = Literal["openai", "vllm"]
"""What the endpoint understands: OpenAI's parameters alone, or vLLM's besides them, as palmette does, too."""

_DEFAULTS = SamplingParams()
_OPENAI_FIELDS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_VLLM_FIELDS = {
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
    "min_new_tokens": "min_tokens",
    "ignore_eos": "ignore_eos",
    "skip_special_tokens": "skip_special_tokens",
    "stop_token_ids": "stop_token_ids",
}
_NEVER = ("stop_regex", "return_logprob", "logprob_start_len", "token_healing")
"""They want what no endpoint tells, token ids; to be watched; or the prompt's own tokens changed."""


def gen_fields(gen: Gen, dialect: Dialect, seed: int | None) -> dict[str, Any]:
    """All but the prompt and the model. Raises: EndpointLimit."""
    params = gen.params
    _check_fields(gen.name, params, dialect)
    limit = "max_completion_tokens" if dialect == "openai" else "max_tokens"
    fields: dict[str, Any] = {limit: params.max_new_tokens, "n": params.n}
    fields |= {name: getattr(params, name) for name in _OPENAI_FIELDS if _is_set(params, name)}
    if dialect == "vllm":
        fields |= {theirs: getattr(params, name) for name, theirs in _VLLM_FIELDS.items() if _is_set(params, name)}
    if params.stop:
        fields["stop"] = list(params.stop)
    if params.logit_bias:
        fields["logit_bias"] = {str(token_id): bias for token_id, bias in params.logit_bias.items()}
    used_seed = seed if params.seed is None else params.seed
    if used_seed is not None:
        fields["seed"] = used_seed % 2**63
    if gen.constraint is not None:
        fields |= _constraint_fields(gen.name, gen.constraint, dialect)
    return fields


def _check_fields(name: str, params: SamplingParams, dialect: Dialect) -> None:
    refused = [*_NEVER, *(() if dialect == "vllm" else _VLLM_FIELDS)]
    for field in refused:
        if _is_set(params, field):
            hint = "leave it out, or run the program on a palmette server"
            if field in _VLLM_FIELDS:
                hint += ", or, where the endpoint knows vLLM's parameters, make it with dialect='vllm'"
            raise EndpointLimit(
                f"gen {name!r}: expected what the endpoint can do, got {field}={getattr(params, field)!r}; {hint}"
            )


def _is_set(params: SamplingParams, name: str) -> bool:
    return bool(getattr(params, name) != getattr(_DEFAULTS, name))


def _constraint_fields(name: str, constraint: Constraint, dialect: Dialect) -> Mapping[str, Any]:
    match constraint, dialect:
        case JsonSchema(schema=schema), _:
            named = {"name": _schema_name(name), "schema": json.loads(schema), "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case Regex(pattern=pattern), "vllm":
            return {"structured_outputs": {"regex": pattern}}
        case Choice(choices=choices), "vllm":
            return {"structured_outputs": {"choice": list(choices)}}
        case ((Ebnf(grammar=grammar) | Lark(grammar=grammar)), "vllm"):
            return {"structured_outputs": {"grammar": grammar}}
    kind = type(constraint).__name__
    raise EndpointLimit(
        f"gen {name!r}: expected no constraint, or a JSON Schema, got a {kind}, which the endpoint cannot be told; "
        "write it as a schema, use select, run the program on a palmette server, or, where the endpoint knows vLLM's "
        "parameters, make it with dialect='vllm'"
    )


def _schema_name(name: str) -> str:
    """OpenAI takes letters, digits, _ and -."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in name)[:64]
