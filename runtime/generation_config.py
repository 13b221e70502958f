"""GenerationConfig: how a model's makers would have it sampled, and what ends its text."""

from dataclasses import dataclass
from pathlib import Path

from .json_object import JsonObject


@dataclass(frozen=True)
class GenerationConfig:
    """The fields of generation_config.json that this runtime can follow; None: the file does not say."""

    eos_token_ids: tuple[int, ...] = ()
    """From generation_config.json and config.json, without doubles."""
    bos_token_id: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None

    @classmethod
    def read(cls, folder: Path) -> "GenerationConfig":
        """Read `folder`/generation_config.json (which may be missing) and the ids in config.json."""
        own = JsonObject.read_if_there(folder / "generation_config.json")
        model = JsonObject.read_if_there(folder / "config.json")
        bos = own.token_ids("bos_token_id") or model.token_ids("bos_token_id")

        def number(name: str) -> float | None:
            return own.number(name) if own.has(name) else None

        return cls(
            eos_token_ids=tuple(dict.fromkeys(own.token_ids("eos_token_id") + model.token_ids("eos_token_id"))),
            bos_token_id=bos[0] if bos else None,
            temperature=number("temperature"),
            top_p=number("top_p"),
            top_k=(own.integer("top_k", minimum=0) or None) if own.has("top_k") else None,
            min_p=number("min_p"),
            repetition_penalty=number("repetition_penalty"),
        )
