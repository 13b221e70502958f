"""One command for everything: tokenizer, sprig in two stages, bud, the held-out figures, the model cards.

python examples/train_sprig/retrain.py                 # about 75 minutes on two cores
python examples/train_sprig/retrain.py --scale 0.02    # a dry run of every step, in two minutes
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# script, arguments without minutes, minutes of training (0: none)
STEPS: list[tuple[str, list[str], float]] = [
    ("tokenizer.py", [], 0),
    ("train.py", ["--model", "sprig", "--rate", "2e-3"], 60),
    ("train.py", ["--model", "bud", "--rate", "4e-3", "--long-every", "0"], 8),
    ("evaluate.py", [], 0),
    ("card.py", [], 0),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all training times")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    options = parser.parse_args()
    for script, arguments, minutes in STEPS:
        extra = ["--minutes", f"{minutes * options.scale:.2f}", "--device", options.device] if minutes else []
        command = [sys.executable, str(HERE / script), *arguments, *extra]
        print("$", " ".join(command), flush=True)
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
