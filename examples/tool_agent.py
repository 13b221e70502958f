"""An agent that calls tools: it chooses one, its arguments are constrained to the tool's schema, and it answers."""

from dataclasses import dataclass

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
def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: name of the city
    """
    return f"sunny, {10 + len(city)} degrees"


@pm.tool
def get_price(item: str) -> int:
    """Get the price of an item.

    Args:
        item: the item
    """
    return PRICES[item]


@dataclass
class Offer:
    item: str
    price: int


def main() -> None:
    helper = pm.agent(tools=[multiply, get_weather, get_price], max_steps=4)
    for question in ("What is 23 times 7?", "What is the weather in Oslo?", "How much does a lamp cost?"):
        result = helper.run(question)
        print("question:", question)
        for step in result.steps:
            print(f"    called {step.name}({step.arguments}) -> {step.result if step.error is None else step.error}")
        print("answer:  ", result.answer)

    stored = result.history.to_json()  # plain data: the chat can go on tomorrow
    result = helper.run("What does a melon cost?", history=pm.AgentHistory.from_json(stored))
    print("resumed: ", result.answer)
    clerk = pm.agent(tools=[get_price], answer_type=Offer)
    print("as an instance:", clerk.run("What does a melon cost?").answer)


if __name__ == "__main__":
    main()
