"""What becomes of each parameter of `/v1/responses`."""

from ...parameters import Parameter, Verdict

ENDPOINT = "/v1/responses"

_SUPPORTED = {
    "model": "the model that is served; another is not found",
    "input": "a text or items: messages, calls of functions and custom tools, what came of them, references to stored "
    "items; earlier thoughts are accepted and left out of the prompt",
    "instructions": "a system message before all else; not carried over to the next response",
    "previous_response_id": "goes on with a stored response; what it shared with this one is found in the cache",
    "tools": "function and custom (text or grammar: lark, regex; enforced); OpenAI's built-in tools are refused",
    "tool_choice": "none, auto, required, a function, a custom tool, allowed_tools",
    "parallel_tool_calls": "false: at most one call",
    "text": "format: text, json_object, json_schema (enforced whether strict or not); verbosity: medium alone",
    "reasoning": "effort, where the model's chat template knows it; a summary is never made",
    "max_output_tokens": "thoughts included; the status is `incomplete` where it cuts",
    "temperature": "0 and more",
    "top_p": "above 0, up to 1",
    "top_logprobs": "of a reply without calls; in a stream they come in one last delta of the text",
    "include": "message.output_text.logprobs; other values speak of what is never there, and change nothing",
    "truncation": "auto: the oldest turns are left out where the context is too short",
    "store": "kept within the server's bounds on number, bytes and time, in memory alone",
    "background": "runs on when the client leaves; to be polled, streamed (from any event on) or cancelled by its id; "
    "a constraint that cannot be met is told by its status `failed`",
    "stream": "all events of the API, in its order",
    "metadata": "given back; at most 16 pairs",
    "stop": "an extension: stop strings",
    "seed": "an extension: the same request gives the same reply",
    "top_k": "an extension",
    "min_p": "an extension",
    "frequency_penalty": "an extension",
    "presence_penalty": "an extension",
    "repetition_penalty": "an extension",
    "logit_bias": "an extension, as in chat completions",
    "stop_token_ids": "an extension",
    "ignore_eos": "an extension",
    "min_tokens": "an extension",
    "skip_special_tokens": "an extension",
    "cache_salt": "an extension: shares cached prefixes with its equals alone; inherited from the previous response",
    "priority": "an extension",
    "queue_timeout_s": "an extension",
    "timeout_s": "an extension",
    "regex": "an extension: the text must match",
    "ebnf": "an extension: the text must derive from the grammar",
    "structural_tag": "an extension: free text with constrained parts",
    "structured_outputs": "an extension: vLLM's constraints",
}
_IGNORED = {
    "max_tool_calls": "counts calls of built-in tools, of which there are none; given back",
    "stream_options": "include_obfuscation: nothing is padded",
    "prompt_cache_key": "every prefix is cached; given back",
    "prompt_cache_options": "every prefix is cached",
    "prompt_cache_retention": "every prefix is cached as long as there is room",
    "safety_identifier": "given back",
    "service_tier": "there is one",
    "user": "given back",
}
_QUERY = {
    f"{ENDPOINT}/{{response_id}}": {
        "stream": "true: the events of a response that was made in the background",
        "starting_after": "with stream: only the events after the one with this sequence number",
    },
    f"{ENDPOINT}/{{response_id}}/input_items": {
        "limit": "items at most, from 1 to 100; default 20",
        "order": "asc or desc, which is the default",
        "after": "the id of the item before the first that is wanted",
    },
}
_IGNORED_QUERY = {
    f"{ENDPOINT}/{{response_id}}": {
        "include": "a response holds what was asked for when it was made",
        "include_obfuscation": "nothing is padded",
    },
    f"{ENDPOINT}/{{response_id}}/input_items": {"include": "speaks of what is never there"},
}
_QUERY_TABLES: tuple[tuple[Verdict, dict[str, dict[str, str]]], ...] = (
    ("supported", _QUERY),
    ("ignored", _IGNORED_QUERY),
)
_REFUSED = {
    "n": "a response is one; ask several times",
    "conversation": "no conversations are kept; use previous_response_id",
    "prompt": "no prompts are kept on the server",
    "context_management": "nothing is compacted; use truncation",
    "moderation": "nothing is moderated",
    "image": "the model reads no images",
    "access_programs": "there are none",
    "background_options": "what runs in the background runs at once",
    "personality": "the model has one manner; say in instructions how it is to write",
}


def _lines(verdict: Verdict, reasons: dict[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, ENDPOINT, verdict, reason) for name, reason in reasons.items())


RESPONSE_PARAMETERS: tuple[Parameter, ...] = (
    *_lines("supported", _SUPPORTED),
    *_lines("ignored", _IGNORED),
    *_lines("refused", _REFUSED),
)
"""All of the current API, and the extensions."""

RESPONSE_QUERY_PARAMETERS: tuple[Parameter, ...] = tuple(
    Parameter(name, endpoint, verdict, reason, "query")
    for verdict, tables in _QUERY_TABLES
    for endpoint, reasons in tables.items()
    for name, reason in reasons.items()
)
"""Of stored responses."""
