"""Text as it is written: synchronously, asynchronously, and one variable at a time."""

import asyncio

import palmette as pm


@pm.function
def story(s, subject):
    s += pm.user(f"Write a short story about {subject}.")
    s += pm.assistant(pm.gen("story", max_tokens=60, temperature=0.7))


def read_synchronously() -> None:
    state = story.run("a fox", stream=True, seed=1)
    for piece in state.text_iter("story"):
        print(piece, end="", flush=True)
    print()


async def read_asynchronously() -> None:
    state = story.run("a lighthouse", stream=True, seed=2)
    async for piece in state.text_async_iter("story"):
        print(piece, end="", flush=True)
    print()


def main() -> None:
    read_synchronously()
    asyncio.run(read_asynchronously())


if __name__ == "__main__":
    main()
