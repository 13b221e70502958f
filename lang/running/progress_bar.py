"""A progress bar on the terminal; rich is imported only when one is shown."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..events import Event, GenResult, ValueReady


class Totals:
    """Tokens of the programs that have ended."""

    def __init__(self) -> None:
        self.num_written = 0
        self.num_prompt = 0
        self.num_cached = 0
        self._start = time.monotonic()

    def add(self, events: list[Event]) -> None:
        """Count a branch's values."""
        for event in events:
            if isinstance(event, ValueReady) and isinstance(event.result, tuple):
                for sample in event.result:
                    self._add_gen(sample)

    def line(self) -> str:
        """`1,234 tokens/s, 87% of the prompts cached`."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        cached = f", {self.num_cached / self.num_prompt:.0%} of the prompts cached" if self.num_prompt else ""
        return f"{self.num_written / seconds:,.0f} tokens/s{cached}"

    def _add_gen(self, sample: GenResult) -> None:
        self.num_written += sample.completion_tokens
        self.num_prompt += sample.prompt_tokens
        self.num_cached += sample.cached_tokens


@contextmanager
def progress_bar(num_items: int, *, is_shown: bool) -> Iterator[Callable[[object], None]]:
    """Yields what to call with each item's outcome: a state, or an error."""
    if not is_shown:
        yield lambda outcome: None  # noqa: ARG005
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    totals = Totals()
    columns = (
        TextColumn("programs"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[totals]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task_id = progress.add_task("programs", total=num_items, totals="")

        def advance(outcome: object) -> None:
            for events in getattr(outcome, "branch_events", ()):
                totals.add(events)
            progress.update(task_id, advance=1, totals=totals.line())

        yield advance
