"""Steps that every backend of attention is held to, by name."""

import torch
from attention_case import Row, Step, Texts

NODES = ((1, 90, None), (2, 90, None), (1, 91, 0), (2, 91, 1), (2, 92, 3))
_DECODE = [Row(0, 99, 100), Row(1, 69, 70), Row(2, 0, 1), Row(3, 129, 130)]
_PREFILL = [Row(0, 0, 40), Row(1, 30, 100), Row(2, 0, 40)]
_TREES = [Row(1, 85, 90, NODES), Row(0, 99, 100), Row(2, 88, 90, NODES[:2]), Row(3, 10, 30)]
_SHARED = [Row(text, 599, 600) for text in range(4)] + [Row(4, 0, 20), Row(5, 590, 600)]

STEPS: dict[str, tuple[list[Row], dict[str, object]]] = {
    "decode": (_DECODE, {}),
    "decode, pages of 1": (_DECODE, {"page_size": 1}),
    "decode, pages of 256": (_DECODE, {"page_size": 256}),
    "decode, window": (_DECODE, {"window": 33}),
    "prefill": (_PREFILL, {}),
    "prefill, one text": (_PREFILL[:1], {}),
    "prefill, pages of 256": (_PREFILL, {"page_size": 256}),
    "prefill, window": (_PREFILL, {"window": 7}),
    "mixed": ([*_PREFILL, *_DECODE], {}),
    "trees": (_TREES, {}),
    "trees, window": (_TREES, {"window": 5}),
    "a common beginning": (_SHARED, {}),
    "a common beginning, pages of 64": (_SHARED, {"page_size": 64}),
    "soft cap": ([*_PREFILL, *_DECODE], {"soft_cap": 1.5}),
    "soft cap, trees": (_TREES, {"soft_cap": 1.5}),
}


def make_step(name: str, dtype: torch.dtype, head_dim: int = 64, num_heads: int = 4, num_kv_heads: int = 2) -> Step:
    """One of STEPS. Texts 1 to 3 and 5 begin as text 0 does."""
    rows, options = STEPS[name]
    texts = Texts(
        6,
        600,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        head_dim=head_dim,
        shared=(512, 512, 520, 0, 384),
        dtype=dtype,
    )
    return texts.step(rows, **options)  # type: ignore[arg-type] # the options of a step, by name
