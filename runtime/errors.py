"""The errors of the runtime.

EngineError
├── ModelLoadError                 a model folder cannot be used
│   ├── ModelNotFound              there is no such folder, or no config.json in it
│   ├── InvalidModelConfig         one of its JSON files is not JSON, or a field in it is missing or wrong
│   ├── UnsupportedArchitecture    the config asks for what this runtime does not have
│   ├── CorruptWeights             a weights file is damaged, or tensors are missing or misshapen
│   └── MissingTokenizer           there is no usable tokenizer.json
├── ChatTemplateError              roles cannot be rendered
├── InvalidOption (ValueError)     an option of the engine is unknown or wrong
├── InvalidRequest (ValueError)    an operation asks for what cannot be
│   ├── EmptyPrompt                there is nothing to go on from
│   └── RequestTooLong             the text does not fit the model or the pool
├── QueueFull                      as many requests wait as the engine lets wait
├── DeadlineExceeded (TimeoutError) the request was not begun, or not ended, in the time it was given
├── RequestCancelled               the request was cancelled, or its branch closed, before it ended
├── ConstraintDeadEnd              a constraint left nothing that may follow, and no other way was found
├── ConstraintViolated             a finished text did not stand the check that `validate_output` asks for
├── DependencyFailed               a step of a plan needs what another branch failed to make
├── BranchClosed                   an operation came to a branch that has ended
├── EngineClosed                   the engine was shut down
└── StepFailed                     a forward pass failed; the rows in it are ended, the others go on
"""

from typing import Literal


class EngineError(Exception):
    """The root of what the runtime raises."""


class ModelLoadError(EngineError):
    """A model folder cannot be used."""


class ModelNotFound(ModelLoadError):
    """There is no such folder, or no config.json in it."""


class InvalidModelConfig(ModelLoadError):
    """A JSON file of the folder is not JSON, or a field in it is missing or wrong."""


class UnsupportedArchitecture(ModelLoadError):
    """The config asks for an architecture or a feature that this runtime does not have."""


class CorruptWeights(ModelLoadError):
    """A weights file is damaged, or its tensors are missing, surplus or misshapen."""


class MissingTokenizer(ModelLoadError):
    """The folder has no usable tokenizer.json."""


class ChatTemplateError(EngineError):
    """Roles cannot be rendered by the model's chat template, or it has none."""


class InvalidOption(EngineError, ValueError):
    """An option of the engine is unknown, or its value cannot be."""


class InvalidRequest(EngineError, ValueError):
    """An operation asks for what cannot be."""


class EmptyPrompt(InvalidRequest):
    """A generation, a choice or a score has no token before it."""


class RequestTooLong(InvalidRequest):
    """The text does not fit the model's context or the KV pool; both numbers are in the message."""

    def __init__(self, what: str, num_tokens: int, limit_name: str, limit: int, hint: str) -> None:
        self.num_tokens = num_tokens
        self.limit = limit
        super().__init__(f"{what} is {num_tokens} tokens long, but {limit_name} is {limit}; {hint}")


class QueueFull(EngineError):
    """As many requests, or as much text, wait as the engine lets wait; the numbers are in the message."""

    def __init__(self, num_requests: int, max_requests: int | None, num_tokens: int, max_tokens: int | None) -> None:
        self.num_requests = num_requests
        self.max_requests = max_requests
        self.num_tokens = num_tokens
        self.max_tokens = max_tokens
        super().__init__(
            f"the queue is full: {num_requests} requests wait (max_queued_requests={max_requests}) and would have "
            f"{num_tokens} tokens with this one (max_queued_tokens={max_tokens}); try again when some have been "
            "answered, send fewer at once, or give the engine a higher limit"
        )


class DeadlineExceeded(EngineError, TimeoutError):
    """The request was not begun within its `queue_timeout_s`, or not ended within its `timeout_s`."""

    def __init__(self, limit_name: Literal["queue_timeout_s", "timeout_s"], limit_s: float, waited_s: float) -> None:
        self.limit_name = limit_name
        self.limit_s = limit_s
        self.waited_s = waited_s
        done = "begun" if limit_name == "queue_timeout_s" else "ended"
        super().__init__(
            f"the request had not {done} {waited_s:.3f} s after its arrival, but {limit_name} is {limit_s:g}; allow it "
            "more time, give it a higher priority, or send the engine less at once"
        )


class RequestCancelled(EngineError):
    """The request was cancelled, or its branch was closed, before it ended."""


class ConstraintDeadEnd(EngineError):
    """A constraint left a generation nothing that may follow, and going back did not lead to another way.

    `text` is what had been written by then; `num_rollbacks` and `num_tokens_taken_back` say what was tried.
    """

    def __init__(self, why: str, text: str, num_rollbacks: int, num_tokens_taken_back: int) -> None:
        self.text = text
        self.num_rollbacks = num_rollbacks
        self.num_tokens_taken_back = num_tokens_taken_back
        shown = text if len(text) <= 80 else "..." + text[-80:]
        super().__init__(
            f"the constraint allows nothing after {shown!r}, and {why} (went back {num_rollbacks} times and took back "
            f"{num_tokens_taken_back} tokens); loosen the constraint, try another seed or temperature, or give the "
            "engine larger limits in max_rollbacks and max_tokens_taken_back"
        )


class ConstraintViolated(EngineError):
    """A finished text is not what its constraint asks for, as the engine's option `validate_output` found out.

    `text` is the whole text. It must not happen: whatever enforced the constraint has a fault.
    """

    def __init__(self, text: str, why: str) -> None:
        self.text = text
        shown = text if len(text) <= 200 else text[:200] + "..."
        super().__init__(
            f"the text that was generated does not meet its constraint: {why}, got {shown!r}; this is a fault of "
            "palmette's, please report it with the constraint"
        )


class DependencyFailed(EngineError):
    """A step of a plan needs a value or the end of another branch, which failed; `__cause__` says how."""


class BranchClosed(EngineError):
    """An operation came to a branch that has ended."""


class EngineClosed(EngineError):
    """The engine was shut down."""


class StepFailed(EngineError):
    """A forward pass or the sampling of its result failed; the rows in it are ended, the others go on."""
