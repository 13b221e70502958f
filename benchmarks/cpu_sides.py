"""The sides of the CPU benchmark: palmette with its kernels in C, with PyTorch's, and transformers."""

import os
from pathlib import Path
from typing import Any, Protocol

import torch

from palmette.kernels.cpu.library import VARIABLE
from palmette.runtime.local.embedded import Engine


class Side(Protocol):
    """Generates greedily, a fixed number of tokens for each prompt, with nothing kept from before."""

    name: str

    def run(self, prompts: list[list[int]], num_tokens: int) -> None:
        """prompts: token ids, of one length."""
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...


class PalmetteSide:
    """An engine; which kernels it has is decided by the environment, at its start and whenever it runs."""

    def __init__(self, folder: Path, dtype: str, kernels: str, quantization: str | None = None) -> None:
        what = "C" if kernels == "auto" else "PyTorch"
        self.name = f"palmette, {what}, {quantization or dtype}"
        self._kernels = kernels
        os.environ[VARIABLE] = kernels
        self._engine = Engine(
            folder,
            dtype=dtype,
            quantization=quantization,
            max_total_tokens=16_384,
            device="cpu",
            random_seed=0,
            speculation="off",  # it is the kernels that are measured, and every round writes the same
        )

    def run(self, prompts: list[list[int]], num_tokens: int) -> None:
        """See `Side`."""
        os.environ[VARIABLE] = self._kernels
        self._engine.flush_cache()
        params = {"max_new_tokens": num_tokens, "temperature": 0, "ignore_eos": True}
        self._engine.generate(sampling_params=params, input_ids=prompts)

    def close(self) -> None:
        """See `Side`."""
        self._engine.shutdown()


class TransformersSide:
    """`generate` with scaled-dot-product attention and a dynamic cache, one batch without padding."""

    def __init__(self, folder: Path, dtype: str) -> None:
        import transformers

        transformers.utils.logging.disable_progress_bar()
        self.name = f"transformers, {dtype}"
        self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), attn_implementation="sdpa"
        ).eval()
        self._model.generation_config.eos_token_id = None

    @torch.inference_mode()
    def run(self, prompts: list[list[int]], num_tokens: int) -> None:
        """See `Side`."""
        ids = torch.tensor(prompts)
        mask = torch.ones_like(ids)
        self._model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=num_tokens, do_sample=False, pad_token_id=0
        )

    def close(self) -> None:
        """See `Side`."""
        del self._model
