"""Trains sprig or bud from generated samples, on one GPU or on CPU processes of one thread each.

Muon moves the matrices of the layers, AdamW the embedding and the norms. The learning rate follows the budget (minutes
or tokens): warm-up, a plateau, a linear fall. Checkpoints lie in `build/<model>/`; the model folder gets fresh bf16
weights every few minutes, each file replaced in one step.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from model import SHAPES, Llama, transformers_config
from packing import Packer
from rich.console import Console
from safetensors.torch import save_file
from template import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class TrainOptions:
    model: str
    minutes: float  # 0: the budget is `tokens`
    tokens: int
    row_len: int
    tokens_per_step: int
    rate: float
    plateau: float  # share of the budget at the full rate
    long_every: int  # each so-many-th step has long rows; 0: none
    long_row_len: int
    long_share: float
    seed: str
    device: str
    num_workers: int
    sync_every: int
    resume: bool
    export_minutes: float
    compile: bool


def export(model: Llama, name: str) -> None:
    """Write the model folder: weights in bf16 and the configuration."""
    folder = MODELS / name
    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().to("cpu", torch.bfloat16).contiguous() for key, value in model.state_dict().items()}
    partial = folder / "model.safetensors.partial"
    save_file(weights, str(partial), metadata={"format": "pt"})
    partial.chmod(0o644)
    os.replace(partial, folder / "model.safetensors")
    vocab = json.loads((MODELS / "sprig" / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    ids = {token["content"]: token["id"] for token in vocab}
    end, stop = ids["<|endoftext|>"], ids["<|im_end|>"]
    write_json(folder / "config.json", transformers_config(model.shape, None, stop, end))
    write_json(
        folder / "generation_config.json",
        {"do_sample": False, "eos_token_id": [stop, end], "max_new_tokens": 256, "pad_token_id": end},
    )
    if name != "sprig":
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            (folder / file).write_bytes((MODELS / "sprig" / file).read_bytes())


def write_json(path: Path, value: object) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)


def optimizers(model: Llama, rate: float) -> list[torch.optim.Optimizer]:
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_factor(progress: float, step: int, plateau: float, warmup: int) -> float:
    """Warm-up, a plateau, then a straight line to 2 % at the end of the budget."""
    progress = min(progress, 1.0)
    fall = 1.0 if progress < plateau else 1.0 - 0.98 * (progress - plateau) / (1.0 - plateau)
    return min(1.0, (step + 1) / warmup) * max(fall, 0.02)


def average_weights(model: nn.Module, world: int) -> None:
    """Make all workers' weights their mean; each keeps its own momentum."""
    weights = [p.data for p in model.parameters()]
    flat = torch.cat([weight.flatten() for weight in weights])
    dist.all_reduce(flat)
    flat /= world
    offset = 0
    for weight in weights:
        weight.copy_(flat[offset : offset + weight.numel()].view_as(weight))
        offset += weight.numel()


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], device: str) -> Tensor:
    inputs, targets, weights = (tensor.to(device) for tensor in batch)
    with torch.autocast(device, torch.bfloat16):
        logits = model(inputs)
    losses = F.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.view(-1), reduction="none")
    return (losses * weights.view(-1)).sum() / weights.sum()


def worker(rank: int, options: TrainOptions) -> None:
    world = options.num_workers
    if world > 1:
        os.setsid()  # a session of its own: Linux shares the cores among sessions, and both workers go in step
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=os.environ.get("SPRIG_PORT", "29517"))
        dist.init_process_group("gloo", rank=rank, world_size=world)
    if options.device == "cpu":
        torch.set_num_threads(1 if world > 1 else int(os.environ.get("OMP_NUM_THREADS", "2")))
    torch.manual_seed(0)
    model = Llama(SHAPES[options.model]).to(options.device)
    movers = optimizers(model, options.rate)
    build = ROOT / "build" / options.model
    build.mkdir(parents=True, exist_ok=True)
    checkpoint, seen = build / "checkpoint.pt", 0
    if options.resume:
        state = torch.load(checkpoint, map_location=options.device)
        model.load_state_dict(state["model"])
        for mover, saved in zip(movers, state["optimizers"], strict=True):
            mover.load_state_dict(saved)
        seen = state["tokens"]
    for mover in movers:
        for group in mover.param_groups:
            group["lr"] = options.rate
    stepped = torch.compile(model) if options.compile else model
    tokenizer_file, seed = MODELS / "sprig" / "tokenizer.json", f"{options.seed}/{seen}/{rank}"
    short = Packer(tokenizer_file, seed, options.row_len, long_share=0.0)
    long = Packer(tokenizer_file, f"{seed}/long", options.long_row_len, options.long_share)
    console = Console(force_terminal=False, width=140)
    started = last_export = time.monotonic()
    step, first, smooth = 0, seen, 0.0
    if rank == 0:
        num_parameters = sum(p.numel() for p in model.parameters())
        console.print(f"{options.model}: {num_parameters:,} parameters, {options}")
        if not options.resume:
            export(model, options.model)
    while True:
        elapsed = time.monotonic() - started
        progress = elapsed / (options.minutes * 60) if options.minutes else (seen - first) / options.tokens
        is_synced = step % options.sync_every == 0
        if world > 1 and is_synced:
            average_weights(model, world)
            agreed = torch.tensor([progress])  # the clocks of the workers differ by a little: the first one's counts
            dist.broadcast(agreed, 0)
            progress = float(agreed)
        if progress >= 1.0 and is_synced:
            break
        if rank == 0 and is_synced and time.monotonic() - last_export > options.export_minutes * 60:
            last_export = time.monotonic()
            save(model, movers, seen, checkpoint, options)
        for mover in movers:
            for group in mover.param_groups:
                group["lr"] = options.rate * rate_factor(progress, step, options.plateau, 10 if options.resume else 60)
        packer = long if options.long_every and step % options.long_every == options.long_every - 1 else short
        num_rows = max(1, options.tokens_per_step // packer.row_len // world)
        loss = loss_of(stepped, packer.batch(num_rows), options.device)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for mover in movers:
            mover.step()
            mover.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + num_rows * packer.row_len * world
        smooth = float(loss.detach()) if step == 1 else 0.95 * smooth + 0.05 * float(loss.detach())
        if rank == 0 and step % 20 == 0:
            speed = (seen - first) / (time.monotonic() - started)
            console.print(
                f"step {step:5d}  {progress:6.1%}  {seen / 1e6:6.2f} M tokens  loss {smooth:.4f}  {speed:,.0f} tokens/s"
            )
    if rank == 0:
        save(model, movers, seen, checkpoint, options)
        record_run(options, seen - first, (time.monotonic() - started) / 60)
        console.print(f"done: {seen / 1e6:.2f} M tokens, loss {smooth:.4f}")
    if world > 1:
        dist.destroy_process_group()


def save(model: Llama, movers: list[torch.optim.Optimizer], seen: int, checkpoint: Path, options: TrainOptions) -> None:
    partial = checkpoint.with_suffix(".partial")
    torch.save({"model": model.state_dict(), "optimizers": [m.state_dict() for m in movers], "tokens": seen}, partial)
    os.replace(partial, checkpoint)
    export(model, options.model)


def record_run(options: TrainOptions, tokens: int, minutes: float) -> None:
    """Keep what was run, for the model card; a fresh start forgets the runs before it."""
    path = ROOT / "build" / options.model / "runs.json"
    runs = json.loads(path.read_text(encoding="utf-8")) if options.resume and path.exists() else []
    hardware = torch.cuda.get_device_name() if options.device == "cuda" else f"{options.num_workers} shared CPU cores"
    kept = {"row_len": options.row_len, "rate": options.rate, "long_every": options.long_every, "hardware": hardware}
    write_json(path, [*runs, {"tokens": tokens, "minutes": minutes, **kept}])


def parse() -> TrainOptions:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", choices=sorted(SHAPES), default="sprig", help="which model")
    parser.add_argument("--minutes", type=float, default=0.0, help="wall-clock budget; 0 leaves it to --tokens")
    parser.add_argument("--tokens", type=int, default=30_000_000, help="token budget of this run")
    parser.add_argument("--row-len", type=int, default=512, help="tokens in a packed row")
    parser.add_argument("--tokens-per-step", type=int, default=9216, help="tokens in a batch, all workers together")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--plateau", type=float, default=0.5, help="share of the budget before the rate falls")
    parser.add_argument("--long-every", type=int, default=8, help="each so-many-th step has long rows; 0: none")
    parser.add_argument("--long-row-len", type=int, default=2048, help="tokens in a long row")
    parser.add_argument("--long-share", type=float, default=0.3, help="share of long samples in the long rows")
    parser.add_argument("--seed", default="train", help="names the stream of samples")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train")
    parser.add_argument("--num-workers", type=int, default=2, help="CPU processes of one thread each")
    parser.add_argument(
        "--sync-every", type=int, default=12, help="steps between two averagings of the workers' weights"
    )
    parser.add_argument("--resume", action="store_true", help="go on from build/<model>/checkpoint.pt")
    parser.add_argument("--export-minutes", type=float, default=8.0, help="minutes between checkpoints")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model (needs a C++ compiler)")
    options = TrainOptions(**vars(parser.parse_args()))
    if options.device == "auto":
        options = replace(options, device="cuda" if torch.cuda.is_available() else "cpu")
    return replace(options, num_workers=1) if options.device == "cuda" else options


def main() -> None:
    options = parse()
    if options.num_workers > 1:
        mp.spawn(worker, (options,), nprocs=options.num_workers)
    else:
        worker(0, options)


if __name__ == "__main__":
    main()
