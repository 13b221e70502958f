"""Whole engines on a device: what a token takes with all that surrounds the model."""

import statistics
import tempfile
import time
from pathlib import Path


def engine_step_seconds(
    num_rows: int, device: str, name: str = "500m", num_tokens: int = 128, num_rounds: int = 3
) -> dict[str, float]:
    """Seconds a step of `num_rows` rows that write, by whether passes are launched ahead; rounds in turns, medians.

    The model has random weights (`cpu_models.py`) and the rows differ in their seeds; prompts are 16 tokens.
    """
    from cpu_models import model_folder

    from palmette.runtime.local.embedded import Engine

    prompts = [[10 + (row * 37 + place) % 1900 for place in range(16)] for row in range(num_rows)]
    params = {"max_new_tokens": num_tokens, "temperature": 1.0, "ignore_eos": True}
    seconds: dict[str, list[float]] = {"ahead": [], "when known": []}
    with tempfile.TemporaryDirectory(prefix="palmette-bench-") as parent:
        folder = model_folder(name, Path(parent))
        engines = {
            side: Engine(
                folder,
                device=device,
                max_total_tokens=num_rows * (num_tokens + 32) + 1024,
                overlap_schedule=side == "ahead",
                speculation="off",
                random_seed=0,
            )
            for side in seconds
        }
        for number in range(1 + num_rounds):  # the first warms up
            for side, engine in engines.items():
                engine.flush_cache()
                start = time.perf_counter()
                engine.generate(sampling_params=params, input_ids=prompts)
                if number:
                    seconds[side].append((time.perf_counter() - start) / num_tokens)
        for engine in engines.values():
            engine.shutdown()
    return {side: statistics.median(each) for side, each in seconds.items()}
