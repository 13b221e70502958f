"""merged: several streams read at the same time, as one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

_MAX_HELD = 256
"""Items that wait to be read; then the streams wait."""


async def merged(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """(number of the stream, its item), in order per stream; to be read under `contextlib.aclosing`.

    Each is read by a task of its own, unless it is the only one. The first that fails ends the others, and its error is
    raised.
    """
    if len(sources) == 1:
        async with aclosing(sources[0]) as only:
            async for each in only:
                yield 0, each
        return
    # Each stream has room for its end, also where it is given up while all the rest is full.
    arrived: asyncio.Queue[tuple[int, T] | Exception | None] = asyncio.Queue(_MAX_HELD + len(sources))
    room = asyncio.Semaphore(_MAX_HELD)

    async def read(index: int, source: AsyncGenerator[T, None]) -> None:
        end: Exception | None = None
        try:
            async with aclosing(source):
                async for item in source:
                    await room.acquire()
                    arrived.put_nowait((index, item))
        except Exception as error:  # noqa: BLE001 - raised to whoever reads
            end = error
        arrived.put_nowait(end)

    tasks = [asyncio.create_task(read(index, source)) for index, source in enumerate(sources)]
    num_open = len(tasks)
    try:
        while num_open:
            item = await arrived.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                num_open -= 1
            else:
                room.release()
                yield item
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
