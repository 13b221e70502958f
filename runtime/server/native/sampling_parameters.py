"""SAMPLING_PARAMETERS: what becomes of each name in the `sampling_params` of `/generate`."""

from ..parameters import Parameter, Verdict

PLACE = "/generate, in sampling_params"


def _table(verdict: Verdict, reasons: dict[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, PLACE, verdict, reason) for name, reason in reasons.items())


SAMPLING_PARAMETERS = (
    *_table(
        "supported",
        {
            "max_new_tokens": "default 128; 0: nothing is generated, the prompt alone is read",
            "max_tokens": "another name of max_new_tokens",
            "min_new_tokens": "nothing ends the text before so many",
            "min_tokens": "another name of min_new_tokens",
            "n": "samples, each with noise of its own; the prompt is computed once",
            "temperature": "0 takes the most likely token; default 1",
            "top_p": "in (0, 1]",
            "top_k": "-1: all tokens",
            "min_p": "in [0, 1]",
            "frequency_penalty": "in [-2, 2]",
            "presence_penalty": "in [-2, 2]",
            "repetition_penalty": "in (0, 2]",
            "logit_bias": "by token id",
            "seed": "64 bits; the same request with the same seed has the same answer",
            "sampling_seed": "another name of seed",
            "stop": "a string or several; the text ends before it, and no part of it is streamed",
            "stop_token_ids": "tokens that end the text",
            "stop_regex": "a pattern or several (Python syntax); the text ends before what matches",
            "ignore_eos": "go on to the limit",
            "token_healing": "true: the prompt's last tokens may become longer ones that reach into the text",
            "skip_special_tokens": "false: special tokens are spelt out in the text",
            "return_logprob": "goes before the body's",
            "logprob_start_len": "goes before the body's",
            "top_logprobs_num": "goes before the body's",
            "return_text_in_logprobs": "goes before the body's",
            "json_schema": "a JSON Schema, as an object or as JSON text; one constraint at most",
            "regex": "the text matches it (Python syntax)",
            "ebnf": "the text derives from its rule root (GBNF)",
            "lark": "the text derives from its rule start (Lark)",
            "choices": "the text is one of these",
            "prediction": "what the text will be, mostly: guessed from, so that the same text comes sooner",
            "spaces_between_special_tokens": "true alone: tokens are written as the tokenizer decodes them",
            "no_stop_trim": "false alone: the text ends before the stop, and meta_info says which it was",
        },
    ),
    *_table("refused", {"constraint": "stands for an object of Python; use one of the names above"}),
)
"""An unknown name is refused."""
