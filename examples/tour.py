"""The tour: chat, select, fork, JSON Schema and a tool-calling agent, on the embedded model."""

import json
import time

from rich.console import Console
from rich.table import Table

import palmette as pm

console = Console(highlight=False)

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "city": {"type": "string", "maxLength": 40},
    },
    "required": ["name", "age", "city"],
    "additionalProperties": False,
}


@pm.function
def chat(s, question):
    s += pm.user(question)
    s += pm.assistant(pm.gen("answer", max_tokens=48, temperature=0))


@pm.function
def sentiment(s, review):
    s += f"Review: {review}\nSentiment: " + pm.select("label", ["positive", "negative"])


@pm.function
def capitals(s, countries):
    s += "Capitals of the world.\n"
    forks = s.fork(len(countries))
    for fork, country in zip(forks, countries, strict=True):
        fork += f"The capital of {country} is" + pm.gen("capital", max_tokens=8, stop=[".", "\n"], temperature=0)
    forks.join()


@pm.function
def extract(s, text):
    s += pm.user(f"Extract name, age and city from this text: {text}")
    s += pm.assistant(pm.gen("person", max_tokens=80, temperature=0, json_schema=PERSON))


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


def show_chat() -> None:
    console.rule("[bold]1. chat[/]: an answer, streamed")
    question = "What is the capital of France?"
    console.print("[dim]you:  [/]", question)
    console.print("[dim]sprig:[/] ", end="")
    for piece in chat.run(question, stream=True).text_iter("answer"):
        console.print(piece, end="", markup=False)
    console.print()


def show_select() -> None:
    console.rule("[bold]2. select[/]: all choices scored in one pass, with their probabilities")
    reviews = ["The staff was friendly and the food was great.", "It broke after two days."]
    table = Table("review", "choice", "positive", "negative", box=None)
    for review, state in zip(reviews, sentiment.run_batch([{"review": each} for each in reviews]), strict=True):
        shares = [f"{share:.2f}" for share in state.get_meta_info("label")["probabilities"]]
        table.add_row(review, state["label"], *shares)
    console.print(table)


def show_fork() -> None:
    console.rule("[bold]3. fork[/]: branches share the prefix and run at the same time")
    countries = ["Italy", "Kenya", "Japan"]
    state = capitals.run(countries)
    for country, capital in zip(countries, state["capital"], strict=True):
        console.print(f"{country}:{capital}", markup=False)


def show_json() -> None:
    console.rule("[bold]4. JSON Schema[/]: always parses, always validates")
    text = "Tamsin Velora is 34 years old and lives in Dranholm."
    state = extract.run(text)
    console.print("[dim]text:  [/]", text)
    console.print("[dim]person:[/]", json.loads(state["person"]))


def show_agent() -> None:
    console.rule("[bold]5. agent[/]: it chooses a tool, calls it, reads the result, answers")
    helper = pm.agent(tools=[multiply, get_weather], max_steps=4)
    for question in ("What is 23 times 7?", "What is the weather in Oslo?"):
        result = helper.run(question)
        console.print("[dim]question:[/]", question)
        for step in result.steps:
            outcome = step.error if step.is_error else step.result
            console.print(f"    {step.name}({json.dumps(step.arguments)}) -> {outcome}", markup=False)
        console.print("[dim]answer:  [/]", result.answer, markup=True)


def main() -> None:
    started = time.perf_counter()
    with pm.Engine() as engine:
        pm.set_default_backend(engine)
        console.print(f"sprig, the embedded model, is ready after {time.perf_counter() - started:.1f} s\n")
        for show in (show_chat, show_select, show_fork, show_json, show_agent):
            show()
            console.print()
        stats = engine.stats()
        console.print(
            f"[dim]{stats['num_steps']} steps computed {stats['num_computed_tokens']} tokens; "
            f"{stats['num_cached_tokens']} tokens are kept for the next program.[/]"
        )


if __name__ == "__main__":
    main()
