"""Vocabularies of the sizes that models have, trained on the texts that a Python installation holds."""

import hashlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer, Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

FOLDER = Path(__file__).parents[1] / "build" / "vocabularies"
STOP = "<|end|>"


def tokenizer_of(vocab_size: int) -> Tokenizer:
    """A byte-level BPE of that many tokens, the last of which ends a text; trained once (20 to 60 s), then kept."""
    path = FOLDER / f"bpe-{vocab_size}.json"
    if not path.is_file():
        trainee = ByteLevelBPETokenizer()
        trainee.train_from_iterator(
            _texts(vocab_size * 1200), vocab_size=vocab_size - 1, min_frequency=1, show_progress=True
        )
        trainee.add_special_tokens([STOP])
        FOLDER.mkdir(parents=True, exist_ok=True)
        trainee.save(str(path))
    return Tokenizer.from_file(str(path))


def token_bytes_of(tokenizer: Tokenizer) -> tuple[bytes | None, ...]:
    """[vocab_size] the bytes of each token; None for the stop token."""
    to_byte = {character: byte for byte, character in _byte_characters().items()}
    texts = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return tuple(None if text == STOP else bytes(to_byte[character] for character in text) for text, _ in texts)


def _byte_characters() -> dict[int, str]:
    """The character that stands for each byte in a byte-level BPE (Radford et al., 2019)."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    characters = {byte: chr(byte) for byte in kept} | {byte: chr(256 + index) for index, byte in enumerate(others)}
    assert sorted(characters.values()) == sorted(ByteLevel.alphabet())
    return characters


def _texts(num_bytes: int) -> Iterator[str]:
    """Sources and documents of this installation, in an order that depends on their names only."""
    folders = [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib")]
    paths = [
        path for folder in folders for ending in ("py", "txt", "md", "json") for path in folder.rglob(f"*.{ending}")
    ]
    for path in sorted(set(paths), key=lambda path: hashlib.sha256(path.name.encode()).digest()):
        if num_bytes <= 0:
            return
        try:
            text = path.read_text(encoding="utf-8")[:200_000]
        except (OSError, UnicodeDecodeError):
            continue  # not a text
        num_bytes -= len(text)
        yield text
