"""The same agent twice: most of what it writes again is guessed from its first run, and checked many at a time."""

import palmette as pm

PRICES = {"apple": 3, "melon": 12, "lamp": 45}


@pm.tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers.

    Args:
        a: the first number
        b: the second number
    """
    return a * b


@pm.tool
def get_price(item: str) -> int:
    """Get the price of an item.

    Args:
        item: the item
    """
    return PRICES.get(item, 20)


QUESTIONS = ("What is 23 times 7?", "How much does a lamp cost?", "How much does a melon cost?")


def ask(engine: pm.Engine) -> tuple[list[str], float]:
    """The answers, and the forward passes for each token that was written."""
    helper = pm.agent(tools=[multiply, get_price], max_steps=3)
    num_passes = engine.stats()["num_steps"]
    results = [helper.run(question, backend=engine, seed=1) for question in QUESTIONS]
    num_passes = engine.stats()["num_steps"] - num_passes
    return [result.answer for result in results], num_passes / sum(result.num_tokens for result in results)


def main() -> None:
    with pm.Engine(speculation="off") as plain, pm.Engine(speculation="auto") as engine:
        expected, passes = ask(plain)
        print("run                      passes per token")
        print(f"without guesses          {passes:.2f}")
        for name in ("with guesses", "with guesses, again"):
            answers, passes = ask(engine)
            print(f"{name:24} {passes:.2f}   {'the same answers' if answers == expected else answers}")
        stats = engine.stats()
    checked, tokens = stats["num_verifications"], stats["num_verified_tokens"]
    print(f"{checked} passes checked guesses, and made {tokens / checked:.1f} tokens each")


if __name__ == "__main__":
    main()
