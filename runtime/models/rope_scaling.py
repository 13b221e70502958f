"""RopeScaling: how a model's rotary frequencies are stretched for texts longer than it was first trained on."""

import math
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from ..errors import UnsupportedArchitecture
from ..json_object import JsonObject


class RopeKind(Enum):
    """The ways of stretching that this runtime has."""

    DEFAULT = "default"
    LINEAR = "linear"
    LLAMA3 = "llama3"
    YARN = "yarn"


@dataclass(frozen=True)
class RopeScaling:
    """The rotary part of a model config, in either spelling: `rope_parameters`, or `rope_theta` + `rope_scaling`."""

    kind: RopeKind
    theta: float
    factor: float = 1.0
    original_max_len: int = 0
    # llama3
    low_freq_factor: float = 1.0
    high_freq_factor: float = 1.0
    # yarn
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float = 1.0
    is_truncated: bool = True

    @classmethod
    def parse(cls, config: JsonObject, max_position_embeddings: int) -> "RopeScaling":
        """Read it from a config.json."""
        rope = config.child("rope_parameters" if config.has("rope_parameters") else "rope_scaling")
        theta = rope.number("rope_theta") if rope.has("rope_theta") else config.number("rope_theta", 10000.0)
        name = rope.string("rope_type", rope.string("type", "default"))
        known = [kind.value for kind in RopeKind]
        if name not in known:
            raise UnsupportedArchitecture(f"{rope.source}: rope_type: expected one of {known}, got {name!r}")
        for source in (rope, config):
            share = source.number("partial_rotary_factor", 1.0)
            if share != 1.0:
                raise UnsupportedArchitecture(f"{source.source}: partial_rotary_factor: expected 1.0, got {share}")
        kind = RopeKind(name)
        if kind is RopeKind.DEFAULT:
            return cls(kind, theta)
        factor = rope.number("factor")
        if kind is RopeKind.LINEAR:
            return cls(kind, theta, factor)
        original_max_len = rope.integer("original_max_position_embeddings", max_position_embeddings)
        if kind is RopeKind.LLAMA3:
            return cls(
                kind,
                theta,
                factor,
                original_max_len,
                low_freq_factor=rope.number("low_freq_factor"),
                high_freq_factor=rope.number("high_freq_factor"),
            )
        return cls(
            kind,
            theta,
            factor,
            original_max_len,
            beta_fast=rope.number("beta_fast", 32.0),
            beta_slow=rope.number("beta_slow", 1.0),
            attention_factor=_yarn_attention_factor(rope, factor),
            is_truncated=rope.boolean("truncate", True),
        )

    def inverse_frequencies(self, head_dim: int) -> Tensor:
        """Turns a position adds to each pair of channels: [head_dim / 2] float32."""
        inverse = 1.0 / (self.theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
        if self.kind is RopeKind.LINEAR:
            return inverse / self.factor
        if self.kind is RopeKind.LLAMA3:
            return self._llama3(inverse)
        if self.kind is RopeKind.YARN:
            return self._yarn(inverse, head_dim)
        return inverse

    def _llama3(self, inverse: Tensor) -> Tensor:
        """Long waves are stretched by `factor`, short ones kept, with a ramp between (Llama 3.1)."""
        turns = self.original_max_len * inverse / (2 * math.pi)  # in the original context
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = kept.clamp(0, 1)
        return kept * inverse + (1 - kept) * inverse / self.factor

    def _yarn(self, inverse: Tensor, head_dim: int) -> Tensor:
        """As `_llama3`, with a ramp that is linear in the channel (Peng et al. 2023, arXiv:2309.00071)."""

        def channel(num_turns: float) -> float:
            wave = self.original_max_len / (num_turns * 2 * math.pi)
            return head_dim * math.log(wave) / (2 * math.log(self.theta))

        low, high = channel(self.beta_fast), channel(self.beta_slow)
        if self.is_truncated:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, head_dim - 1)
        if low == high:
            high += 0.001
        stretched = ((torch.arange(head_dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
        return stretched * inverse / self.factor + (1 - stretched) * inverse


def _yarn_attention_factor(rope: JsonObject, factor: float) -> float:
    if rope.has("attention_factor"):
        return rope.number("attention_factor")

    def strength(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    above, below = rope.number("mscale", 0.0), rope.number("mscale_all_dim", 0.0)
    return strength(above) / strength(below) if above and below else strength(1.0)
