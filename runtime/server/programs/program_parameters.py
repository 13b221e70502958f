"""What becomes of each parameter of `/v1/programs` and `/v1/branches`."""

from ..parameters import Parameter

PATH = "/v1/programs/{program_id}/run"
_PROGRAMS = "/v1/programs"
_BRANCHES = "/v1/branches"

_SEED = "the key of all noise of the run; the same one gives the same answer"
_SALT = "runs share cached prefixes only with those of the same salt"
_TERMS = "priority, queue_timeout_s, timeout_s; tenant counts only where the server has no keys"

_REASONS = {
    "arguments": "a value for each of the program's open parameters, put into the text as Python's `format` shows it",
    "stream": "server-sent events as it runs: run_started, operation_started, text, token, value, branch_forked, "
    "branch_joined, closing, branch_ended, run_ended; else one reply with the texts and values of all branches",
    "seed": _SEED,
    "cache_salt": _SALT,
    "priority": "the higher, the less it loses when memory is short",
    "queue_timeout_s": "it fails where it has not begun so many seconds after it came",
    "timeout_s": "it fails where it has not ended so many seconds after it came",
    "rid": "the id by which /abort_request ends it",
}

PROGRAM_PARAMETERS = tuple(Parameter(name, PATH, "supported", reason) for name, reason in _REASONS.items())
"""Of a run of a registered program."""

_OTHERS = {
    _PROGRAMS: {
        "name": "what the program is called",
        "parameters": "the names of the arguments that a run gives",
        "branches": "what each branch does, step by step, as `Plan.to_json()` writes it; parents before their forks",
        "version": "of the plan's form; another than the server's is refused",
    },
    f"{_PROGRAMS}/run": {
        "plan": "a plan without open arguments; its branches stay open for whoever goes on with them",
        "roots": "live branches that roots of the plan go on with, by the root's index",
        "seed": _SEED,
        "cache_salt": _SALT,
        "terms": _TERMS,
        "stream": "tell text as it comes, not only where an operation ends",
    },
    _BRANCHES: {"seed": _SEED, "cache_salt": _SALT, "terms": _TERMS},
    f"{_BRANCHES}/close": {"ids": "branches to close; those that are not open are passed over"},
    f"{_BRANCHES}/{{branch_id}}/run": {
        "operations": "what the branch does, at least one; a join names live branches by their ids"
    },
    f"{_BRANCHES}/{{branch_id}}/fork": {"num_children": "branches that begin with all of this one, from 1 on"},
    f"{_BRANCHES}/{{branch_id}}/hold": {"seconds": "how long what is computed of it is kept while it rests, up to 600"},
}

PLAN_PARAMETERS = tuple(
    Parameter(name, endpoint, "supported", reason)
    for endpoint, reasons in _OTHERS.items()
    for name, reason in reasons.items()
)
"""Of all the rest; `palmette.RuntimeEndpoint` sends these."""
