"""PROGRAM_PARAMETERS: what becomes of each parameter of a program's run."""

from ..parameters import Parameter

PATH = "/v1/programs/{id}/run"

_REASONS = {
    "arguments": "a value for each of the program's open parameters, put into the text as Python's `format` shows it",
    "stream": "server-sent events as it runs: run_started, operation_started, text, token, value, branch_forked, "
    "branch_joined, closing, branch_ended, run_ended; else one reply with the texts and values of all branches",
    "seed": "the key of all noise of the run; the same one gives the same answer",
    "cache_salt": "runs share cached prefixes only with those of the same salt",
    "priority": "the higher, the less it loses when memory is short",
    "queue_timeout_s": "it fails where it has not begun so many seconds after it came",
    "timeout_s": "it fails where it has not ended so many seconds after it came",
    "rid": "the id by which /abort_request ends it",
}

PROGRAM_PARAMETERS = tuple(Parameter(name, PATH, "supported", reason) for name, reason in _REASONS.items())
