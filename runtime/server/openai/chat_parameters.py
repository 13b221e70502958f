"""CHAT_PARAMETERS: what becomes of each parameter of `/v1/chat/completions`."""

from ..parameters import Parameter, Verdict

_ENDPOINT = "/v1/chat/completions"


def _table(verdict: Verdict, reasons: dict[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, _ENDPOINT, verdict, reason) for name, reason in reasons.items())


_SUPPORTED = {
    "messages": (
        "roles system, developer (read as system), user, assistant (with its tool_calls) and tool; content as text or "
        "as parts of type text; parts with images, audio or files are refused. Special tokens in it are plain text; "
        "what a client has noted at a turn of the assistant is not read"
    ),
    "model": 'the name of the model that is served, or "default", or left out',
    "tools": (
        "function: arguments always follow the schema, strict or not; custom: any text, or a grammar (lark, regex), "
        "which is enforced"
    ),
    "tool_choice": (
        "none, auto, required, a function or a custom tool by name (one call, unless parallel_tool_calls is true), "
        "allowed_tools"
    ),
    "parallel_tool_calls": "false: at most one call",
    "response_format": (
        "text, json_object, json_schema (enforced, strict or not), and SGLang's structural_tag; beside tools a "
        "turn is either calls or text by this format, as the model begins it"
    ),
    "n": "samples, each with noise of its own; the prompt is computed once",
    "stop": "a string or several; the text ends before it, and no part of it is streamed",
    "seed": "64 bits; the same request with the same seed has the same answer",
    "temperature": "0 takes the most likely token; default 1",
    "top_p": "in (0, 1]",
    "frequency_penalty": "in [-2, 2]",
    "presence_penalty": "in [-2, 2]",
    "logit_bias": "by token id",
    "logprobs": "of the tokens that are shown; in a stream they come with their text",
    "top_logprobs": "with logprobs",
    "max_completion_tokens": "at most what is left of the context, which is also the default",
    "max_tokens": "the older name of max_completion_tokens",
    "stream": "server-sent events",
    "stream_options": "include_usage; include_obfuscation changes nothing, as nothing is obfuscated",
    "prediction": "where the engine guesses ahead, from this, too: the same answer, sooner where it is right",
    "regex": "the text matches it (Python syntax)",
    "ebnf": "the text derives from its rule root (GBNF)",
    "structural_tag": "free text with tagged parts: XGrammar's triggered_tags, or structures and triggers",
    "structured_outputs": (
        "vLLM's: one of json, regex, choice, grammar (EBNF where it has ::=, else Lark), json_object, structural_tag; "
        "disable_any_whitespace"
    ),
    "min_p": "in [0, 1]",
    "top_k": "-1 and 0: all tokens",
    "repetition_penalty": "in (0, 2]",
    "min_tokens": "nothing ends the text before so many",
    "stop_token_ids": "tokens that end the text",
    "ignore_eos": "go on to the limit",
    "skip_special_tokens": "false: special tokens are spelt out in the text",
    "cache_salt": "requests share cached prefixes only with those of the same salt",
    "priority": "the higher, the less it loses to others when memory is short",
    "queue_timeout_s": "fails with 408 where nothing has begun so long after it arrived",
    "timeout_s": "fails with 408 where it has not ended so long after it arrived",
    "reasoning_effort": "none; another value only where the model knows it, else refused",
    "modalities": '["text"] alone',
    "store": "false alone: nothing is stored",
    "verbosity": "medium alone, which is OpenAI's default: the model knows no other",
}
_IGNORED = {
    "metadata": "for OpenAI's own store and dashboards",
    "prompt_cache_key": "a hint to OpenAI's routing; prefixes are shared anyway, see cache_salt",
    "prompt_cache_options": "a hint to OpenAI's cache",
    "prompt_cache_retention": "a hint to OpenAI's cache",
    "safety_identifier": "for OpenAI's detection of abuse",
    "service_tier": "OpenAI's prices; the reply says default, see priority",
    "user": "for OpenAI's detection of abuse",
}
_REFUSED = {
    "audio": "the model writes text",
    "function_call": "deprecated by OpenAI; use tool_choice",
    "functions": "deprecated by OpenAI; use tools",
    "moderation": "there is no moderation model",
    "web_search_options": "the server never makes an outgoing request",
    "guided_json": "use structured_outputs, or response_format",
    "guided_regex": "use regex",
    "guided_choice": "use structured_outputs",
    "guided_grammar": "use structured_outputs, or ebnf",
    "chat_template": "templates come from the model alone",
    "chat_template_kwargs": "the model's template has no switches",
    "continue_final_message": "use /v1/completions to go on with a text",
    "add_generation_prompt": "a reply always begins a turn of the assistant",
    "best_of": "use n, and choose",
    "use_beam_search": "there is no beam search",
    "lora_path": "one model is served",
}

CHAT_PARAMETERS: tuple[Parameter, ...] = (
    *_table("supported", _SUPPORTED),
    *_table("ignored", _IGNORED),
    *_table("refused", _REFUSED),
)
"""In the order of the documentation."""
