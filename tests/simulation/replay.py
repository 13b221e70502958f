"""Replays the run of one seed and shows it move by move: `.venv/bin/python tests/simulation/replay.py SEED`."""

import argparse
import sys

import paths
from rich.console import Console
from rich.table import Table
from rich.text import Text
from run import run_seed

STYLES = {"step": "dim", "heard": "green", "fault": "red", "cancel": "yellow", "close": "yellow", "engine": "bold cyan"}


def main() -> int:
    """Returns the exit status: 1 where the run fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int, help="of the run")
    parser.add_argument("--width", type=int, default=240, help="characters of a detail that are shown (240)")
    parser.add_argument("--healing", action="store_true", help="with generations that heal their seams")
    arguments = parser.parse_args()
    console = Console()
    table = Table("", "what", "details", title=f"seed {arguments.seed}", expand=True, show_edge=False)
    step = ""

    def note(what: str, details: str) -> None:
        nonlocal step
        if what == "step":
            step, _, details = details.partition(" ")
        shown = details if len(details) <= arguments.width or what == "plan" else details[: arguments.width] + " ..."
        table.add_row(step, Text(what, STYLES.get(what, "")), Text(shown, STYLES.get(what, "")))

    try:
        counts = run_seed(arguments.seed, note, is_healing=arguments.healing)
    except Exception:  # noqa: BLE001 - whatever a run fails with is what is to be shown
        console.print(table)
        console.print_exception()
        return 1
    console.print(table)
    console.print(f"seed {arguments.seed} is good: {counts}", style="bold green")
    return 0


if __name__ == "__main__":
    assert paths.SUPPORT
    sys.exit(main())
