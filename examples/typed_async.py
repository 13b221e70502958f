"""Typed values in an async program: seen before it runs, streamed while it runs."""

import asyncio
from dataclasses import dataclass

import palmette as pm


@dataclass
class Person:
    name: str
    age: int


@pm.function
async def introduce(s, text):
    s += pm.user(f"Extract name and age from this text: {text}")
    with s.assistant():
        person = s.gen("person", type=Person, max_tokens=60, temperature=0)
    async with s.fork(2) as branches:  # both go on from here, at the same time, on shared memory
        for branch, wish in zip(branches, ("capital", "currency"), strict=True):
            branch += pm.user(f"What is the {wish} of France?")
            branch += pm.assistant(pm.gen("fact", max_tokens=16, temperature=0))
    return await person, await s.get("fact")


@pm.function
async def watch(s, text):
    s += pm.user(f"Extract name and age from this text: {text}")
    with s.assistant():
        person = s.gen(type=Person, max_tokens=60, temperature=0)
        async for partial in person.stream():
            print("  so far:", partial)
    return await person


async def main() -> None:
    state = await introduce.arun("Ann is 30 years old.")
    person, facts = state.ret_value
    print("person:", person)
    print("facts: ", facts)
    print("watched:")
    await watch.arun("Bob, a baker, is 41 years old.")
    try:
        async with asyncio.timeout(0.01):
            await introduce.arun("Whoever takes too long " * 20)
    except TimeoutError:
        print("the third took too long: its task was cancelled, and the engine stopped")


print(introduce.explain())
asyncio.run(main())
