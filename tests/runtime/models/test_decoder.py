"""The decoder against transformers, on tiny random checkpoints that transformers saves."""

import shutil
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import torch
from torch import Tensor

from palmette.kernels.cpu.library import cpu_library
from palmette.runtime.cache.kv_pool import KVPool
from palmette.runtime.models.batch import Batch
from palmette.runtime.models.decoder import Decoder
from palmette.runtime.models.loader import load_decoder
from palmette.runtime.models.model_config import ModelConfig

transformers: Any = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

VOCAB_SIZE = 97
SMALL = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "rms_norm_eps": 1e-5,
}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CHECKPOINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama-tied": ("Llama", {"tie_word_embeddings": True}),
    "llama-bias": ("Llama", {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 4}),
    "llama-head-dim": ("Llama", {"head_dim": 6, "num_key_value_heads": 1}),
    "llama-wide-heads": ("Llama", {"head_dim": 32}),  # what the C kernel of attention takes
    "llama-linear": ("Llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 3.0}}),
    "llama-llama3": ("Llama", {"rope_parameters": LLAMA3}),
    "llama-yarn": ("Llama", {"rope_parameters": YARN}),
    "llama-yarn-scaled": (
        "Llama",
        {"rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.7, "truncate": False, "beta_fast": 16}},
    ),
    "mistral": ("Mistral", {"sliding_window": None}),
    "mistral-window": ("Mistral", {"sliding_window": 7}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2-window": ("Qwen2", {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}),
    "qwen3": ("Qwen3", {"head_dim": 12, "tie_word_embeddings": True}),
    "qwen3-wide-heads": (
        "Qwen3",
        {"head_dim": 16, "use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1},
    ),
    "qwen3-bias": ("Qwen3", {"head_dim": 8, "attention_bias": True}),
}


FOLDERS: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def remove_checkpoints() -> Iterator[None]:
    yield
    for folder in FOLDERS:
        shutil.rmtree(folder)
    checkpoint.cache_clear()


@cache
def checkpoint(name: str) -> tuple[Path, Any]:
    """A folder with the checkpoint, and the model of transformers in float32."""
    family, options = CHECKPOINTS[name]
    torch.manual_seed(sum(name.encode()))
    config = getattr(transformers, f"{family}Config")(**{**SMALL, **options})
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    for parameter_name, parameter in model.named_parameters():
        # Biases and norms start as zeros and ones, which would hide that they are left out.
        if parameter_name.endswith("bias") or "norm" in parameter_name:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    folder = Path(mkdtemp(prefix="palmette-test-"))
    FOLDERS.append(folder)
    model.save_pretrained(folder)
    return folder, model


def load(name: str, dtype: torch.dtype = torch.float32) -> Decoder:
    folder, _ = checkpoint(name)
    return load_decoder(folder, ModelConfig.read(folder), dtype, torch.device("cpu"))


@torch.inference_mode()
def reference(name: str, token_ids: list[int]) -> Tensor:
    """Logits of every token by transformers: [num_tokens, vocab_size]."""
    logits: Tensor = checkpoint(name)[1](torch.tensor([token_ids])).logits[0]
    return logits


def random_ids(num_tokens: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCAB_SIZE, (num_tokens,), generator=generator).tolist()


class Tape:
    """A text on pages scattered over a pool."""

    def __init__(self, pages: list[int], page_size: int) -> None:
        self.pages = pages
        self.page_size = page_size
        self.num_cells = 0

    def slots(self, num_tokens: int) -> list[int]:
        cells = range(self.num_cells, self.num_cells + num_tokens)
        return [self.pages[cell // self.page_size] * self.page_size + cell % self.page_size for cell in cells]


def run(
    model: Decoder, pool: KVPool, rows: list[tuple[Tape, list[int]]], masks: list[Tensor | None] | None = None
) -> Tensor:
    """Compute the tokens of each row and return the logits of all of them, row after row."""
    masks = masks or [None] * len(rows)
    positions: list[int] = []
    for (tape, ids), mask in zip(rows, masks, strict=True):
        depths = range(len(ids)) if mask is None else [int(line.sum()) - 1 for line in mask]
        positions += [tape.num_cells + depth for depth in depths]
    num_tokens = len(positions)
    width = max(len(tape.pages) for tape, _ in rows)
    batch = Batch(
        token_ids=torch.tensor([token for _, ids in rows for token in ids]),
        positions=torch.tensor(positions),
        slots=torch.tensor([slot for tape, ids in rows for slot in tape.slots(len(ids))]),
        query_lens=tuple(len(ids) for _, ids in rows),
        kv_lens=tuple(tape.num_cells + len(ids) for tape, ids in rows),
        page_table=torch.tensor([tape.pages + [0] * (width - len(tape.pages)) for tape, _ in rows]),
        logit_indices=torch.arange(num_tokens),
        ancestor_masks=tuple(masks),
    )
    logits = model.forward(batch, pool)
    assert logits.shape == (num_tokens, VOCAB_SIZE)
    assert logits.dtype == torch.float32
    for tape, ids in rows:
        tape.num_cells += len(ids)
    return logits


def new_pool(model: Decoder, page_size: int, num_tapes: int = 1, num_cells: int = 96) -> tuple[KVPool, list[Tape]]:
    pages_each = -(-num_cells // page_size)
    pool = KVPool(model.kv_layout(), num_tapes * pages_each, page_size)
    order = torch.randperm(num_tapes * pages_each, generator=torch.Generator().manual_seed(page_size)).tolist()
    return pool, [Tape(order[i * pages_each : (i + 1) * pages_each], page_size) for i in range(num_tapes)]


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("page_size", [1, 4, 16])
def test_chunked_logits_equal_transformers(name: str, page_size: int) -> None:
    model = load(name)
    ids = random_ids(80)
    pool, (tape,) = new_pool(model, page_size)
    parts = [run(model, pool, [(tape, ids[start:stop])]) for start, stop in ((0, 11), (11, 12), (12, 50), (50, 53))]
    parts += [run(model, pool, [(tape, [token])]) for token in ids[53:]]
    torch.testing.assert_close(torch.cat(parts), reference(name, ids), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_greedy_tokens_equal_transformers(name: str) -> None:
    model = load(name)
    prompts = [random_ids(length, seed=length) for length in (3, 17, 40)]
    pool, tapes = new_pool(model, 4, num_tapes=3)
    logits = run(model, pool, list(zip(tapes, prompts, strict=True)))
    ends = torch.tensor([len(prompt) for prompt in prompts]).cumsum(0) - 1
    texts = [list(prompt) for prompt in prompts]
    last = logits[ends].argmax(-1).tolist()
    for _ in range(20):
        for text, token in zip(texts, last, strict=True):
            text.append(token)
        last = run(model, pool, [(tape, [token]) for tape, token in zip(tapes, last, strict=True)]).argmax(-1).tolist()
    for prompt, text in zip(prompts, texts, strict=True):
        expected = checkpoint(name)[1].generate(
            torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        assert text == expected[0].tolist()


@pytest.mark.skipif(cpu_library() is None, reason="PyTorch's sums depend on how many there are")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["llama-wide-heads", "qwen3-wide-heads"])
def test_no_bit_depends_on_batch_or_chunk(name: str, dtype: torch.dtype) -> None:
    model = load(name, dtype)
    texts = [random_ids(60), random_ids(33, seed=1), random_ids(7, seed=2)]
    pool, tapes = new_pool(model, 4, num_tapes=3)
    together = run(model, pool, list(zip(tapes, texts, strict=True))).split([60, 33, 7])
    pool, tapes = new_pool(model, 16, num_tapes=3)
    for tape, ids, expected in zip(tapes, texts, together, strict=True):
        cuts = [0, 2, 3, len(ids) // 2, len(ids) - 2, len(ids) - 1, len(ids)]
        parts = [run(model, pool, [(tape, ids[start:stop])]) for start, stop in pairwise(cuts) if start < stop]
        assert torch.equal(torch.cat(parts), expected)


@pytest.mark.parametrize("name", ["llama", "mistral-window", "qwen3"])
def test_a_tree_equals_its_paths(name: str) -> None:
    model = load(name)
    prompt, draft = random_ids(21), random_ids(7, seed=1)
    parents = [None, 0, 0, 1, 3, 2, None]
    mask = torch.eye(len(draft), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent is not None:
            mask[node] |= mask[parent]
    pool, tapes = new_pool(model, 4, num_tapes=2)
    run(model, pool, [(tapes[0], prompt)])
    # A causal row beside it, so that masked and unmasked rows share a step.
    logits = run(model, pool, [(tapes[0], draft), (tapes[1], prompt)], [mask, None])
    for node in range(len(draft)):
        path = prompt + [draft[index] for index in range(len(draft)) if mask[node, index]]
        torch.testing.assert_close(logits[node], reference(name, path)[-1], rtol=1e-4, atol=2e-4)
    torch.testing.assert_close(logits[len(draft) :], reference(name, prompt), rtol=1e-4, atol=2e-4)


def test_rows_that_share_pages_equal_rows_alone() -> None:
    model = load("llama")
    prompt = random_ids(64)
    pool, tapes = new_pool(model, 4, num_tapes=5)
    run(model, pool, [(tapes[0], prompt)])
    for tape in tapes[1:]:
        tape.pages = tapes[0].pages[:16] + tape.pages[16:]
        tape.num_cells = 64
    for step in range(3):
        logits = run(model, pool, [(tape, [10 * index + step]) for index, tape in enumerate(tapes)])
    for index, line in enumerate(logits):
        path = prompt + [10 * index + step for step in range(3)]
        torch.testing.assert_close(line, reference("llama", path)[-1], rtol=1e-4, atol=2e-4)


def test_only_wanted_logits() -> None:
    model = load("qwen2")
    ids = random_ids(9)
    pool, (tape,) = new_pool(model, 4)
    batch = Batch(
        token_ids=torch.tensor(ids),
        positions=torch.arange(9),
        slots=torch.tensor(tape.slots(9)),
        query_lens=(9,),
        kv_lens=(9,),
        page_table=torch.tensor([tape.pages]),
        logit_indices=torch.tensor([2, 8]),
        ancestor_masks=(None,),
    )
    logits = model.forward(batch, pool)
    torch.testing.assert_close(logits, reference("qwen2", ids)[[2, 8]], rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["llama", "qwen3", "llama-bias"])
def test_half_precision(name: str, dtype: torch.dtype) -> None:
    model = load(name, dtype)
    ids = random_ids(40)
    pool, (tape,) = new_pool(model, 16)
    logits = torch.cat(
        [run(model, pool, [(tape, ids[:35])]), *(run(model, pool, [(tape, [token])]) for token in ids[35:])]
    )
    expected = reference(name, ids)
    error = (logits - expected).norm() / expected.norm()
    assert error < (0.05 if dtype is torch.bfloat16 else 0.01), error


def test_positions_past_the_first_table() -> None:
    model = load("llama")
    short = model._rotary.turns(torch.tensor([5, 2000]))
    model.reserve(3001)
    grown = model._rotary.turns(torch.tensor([5, 2000, 3000]))
    assert torch.equal(short, grown[:2])
    angle = torch.tensor(3000.0) * model.config.rope.inverse_frequencies(model.config.head_dim)
    assert torch.allclose(grown[2, 0].real, angle.cos(), atol=1e-3)
