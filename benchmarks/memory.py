"""Peak memory of one side on one workload, each in a process of its own.

    python benchmarks/memory.py SIDE WORKLOAD SIZE THREADS

prints a JSON object. The peak is the largest resident set of that process: the interpreter, the libraries the side
imports, the weights, caches and activations. `loaded_mb` is what was resident before the work began.
"""

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from catalogue import make_catalogue
from model import count_tokens_of, sprig_path


@dataclass(frozen=True)
class PeakMemory:
    """In MB of 10^6 bytes."""

    loaded_mb: float
    peak_mb: float


def measure_memory(side: str, workload: str, size: str, num_threads: int) -> PeakMemory:
    """Run the workload once in a fresh process. `side`: "palmette", or the name of a transformers way."""
    command = [sys.executable, __file__, side, workload, size, str(num_threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return PeakMemory(**json.loads(done.stdout.splitlines()[-1]))


def _main(side: str, workload_name: str, size: str, num_threads: int) -> None:
    import torch

    torch.set_num_threads(num_threads)
    model_path = sprig_path()
    workloads = {each.name: each for each in make_catalogue(size, count_tokens_of(model_path))}
    workload = workloads[workload_name]
    if side == "palmette":
        from palmette_side import PalmetteSide

        ours = PalmetteSide(model_path)
        loaded = _resident_mb("VmRSS")
        ours.run(workload, workload.num_tokens)
        peak = _resident_mb("VmHWM")
        ours.close()
    else:
        from transformers_peer import TransformersPeer

        peer = TransformersPeer(model_path)
        run = {**peer.ways(workload), **peer.ways_by_hand(workload)}[side]
        loaded = _resident_mb("VmRSS")
        run(workload, workload.num_tokens)
        peak = _resident_mb("VmHWM")
    print(json.dumps(asdict(PeakMemory(loaded, peak))))


def _resident_mb(field: str) -> float:
    """VmHWM (the peak) or VmRSS (now) of this process.

    Not `ru_maxrss` where it can be helped: on Linux a child inherits its parent's through exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(field):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
