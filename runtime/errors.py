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
├── RequestCancelled               the request was cancelled, or its branch closed, before it ended
├── DependencyFailed               a step of a plan needs what another branch failed to make
├── BranchClosed                   an operation came to a branch that has ended
├── EngineClosed                   the engine was shut down
└── StepFailed                     a forward pass failed; the rows in it are ended, the others go on
"""


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


class RequestCancelled(EngineError):
    """The request was cancelled, or its branch was closed, before it ended."""


class DependencyFailed(EngineError):
    """A step of a plan needs a value or the end of another branch, which failed; `__cause__` says how."""


class BranchClosed(EngineError):
    """An operation came to a branch that has ended."""


class EngineClosed(EngineError):
    """The engine was shut down."""


class StepFailed(EngineError):
    """A forward pass or the sampling of its result failed; the rows in it are ended, the others go on."""
