"""A progress bar on the terminal; rich is imported only when one is shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(num_items: int, *, is_shown: bool) -> Iterator[Callable[[], None]]:
    """Yields what to call after each item."""
    if not is_shown:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("programs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task_id = progress.add_task("programs", total=num_items)
        yield lambda: progress.advance(task_id)
