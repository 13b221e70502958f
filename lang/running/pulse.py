"""Pulse: wakes all who wait for the next change of something, on one event loop."""

import asyncio


class Pulse:
    """Check, then `await wait()` without an await between: no change is missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self) -> None:
        """Wake all who wait now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self) -> None:
        """Return at the next beat."""
        await self._event.wait()
