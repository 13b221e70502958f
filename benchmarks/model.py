"""The model both sides run: where it is, and how long a text is in its tokens."""

from collections.abc import Callable
from pathlib import Path

import tokenizers

import palmette


def sprig_path() -> Path:
    """The folder of sprig, the model that palmette ships with; transformers reads it as it is."""
    return Path(palmette.__file__).parent / "runtime" / "models" / "sprig"


def count_tokens_of(model_path: Path) -> Callable[[str], int]:
    """Counts the tokens of a text."""
    tokenizer = tokenizers.Tokenizer.from_file(str(model_path / "tokenizer.json"))
    return lambda text: len(tokenizer.encode(text).ids)
