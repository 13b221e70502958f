"""merged: all items in order per stream; what fails or is left ends the others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.server.merged import merged


async def stream(items: list[int], ended: list[int], number: int) -> AsyncGenerator[int, None]:
    try:
        for item in items:
            await asyncio.sleep(0)
            yield item
    finally:
        ended.append(number)


async def endless(ended: list[int], number: int) -> AsyncGenerator[int, None]:
    try:
        while True:
            await asyncio.sleep(0)
            yield 0
    finally:
        ended.append(number)


@given(st.lists(st.lists(st.integers(), max_size=5), max_size=5))
def test_nothing_is_lost_or_out_of_order(streams: list[list[int]]) -> None:
    async def read() -> list[list[int]]:
        ended: list[int] = []
        found: list[list[int]] = [[] for _ in streams]
        async with aclosing(merged([stream(each, ended, number) for number, each in enumerate(streams)])) as items:
            async for number, item in items:
                found[number].append(item)
        assert sorted(ended) == list(range(len(streams)))
        return found

    assert asyncio.run(read()) == streams


def test_one_that_fails_ends_the_others() -> None:
    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("so")

    async def read(ended: list[int]) -> None:
        async with aclosing(merged([endless(ended, 0), failing()])) as items:
            async for _ in items:
                pass

    ended: list[int] = []
    with pytest.raises(ValueError, match="so"):
        asyncio.run(read(ended))
    assert ended == [0]


def test_one_that_is_left_ends_all_also_when_nothing_was_read_for_long() -> None:
    async def read() -> list[int]:
        ended: list[int] = []
        async with aclosing(merged([endless(ended, 0), endless(ended, 1)])) as items:
            async for _ in items:
                for _ in range(1_000):  # both fill what there is room for, and wait
                    await asyncio.sleep(0)
                break
        return sorted(ended)

    assert asyncio.run(read()) == [0, 1]


def test_the_only_one_is_closed_when_it_is_left() -> None:
    async def read() -> list[int]:
        ended: list[int] = []
        async with aclosing(merged([endless(ended, 0)])) as items:
            assert (await anext(items))[0] == 0
        return ended

    assert asyncio.run(read()) == [0]
