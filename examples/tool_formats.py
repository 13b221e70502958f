"""The same call in four formats: written under a constraint, and read back by the parser of the same definition."""

import json
from typing import get_args

import palmette as pm
from palmette.grammar.spec import CallFormatName, Regex, ToolCalls, ToolSpec
from palmette.grammar.tool_calls.call_parser import CallParser, parse_calls

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
    },
    "required": ["city"],
}


@pm.tool
def get_weather(city: str, days: int = 1) -> str:
    """The weather in a city."""
    return f"sunny in {city} for {days} days"


TOOLS = (
    ToolSpec("get_weather", parameters=json.dumps(WEATHER)),
    ToolSpec("look_up", custom_input=Regex("[a-z]{1,12}")),  # a tool that takes text, and text of this form alone
)


@pm.function
def ask(s, constraint):
    s.declare_tools([get_weather.tool])
    s += pm.user("What is the weather in Rome?")
    with s.assistant():
        s += pm.gen("turn", constraint=constraint, max_tokens=100, temperature=0)


def main() -> None:
    for name in get_args(CallFormatName):
        constraint = ToolCalls(TOOLS, format=name, choice="required", allowed=("get_weather",), parallel=False)
        turn = ask.run(constraint)["turn"]
        print(f"{name}:")
        print("\n".join(f"    {line}" for line in turn.splitlines()))
        for call in parse_calls(constraint, turn):
            print(f"  read back: {call.name}({call.arguments})")

    constraint = ToolCalls(TOOLS, format="pythonic", choice="required", allowed=("look_up",), parallel=False)
    print("a tool that takes text:", parse_calls(constraint, ask.run(constraint)["turn"]))

    print("\nas it comes, piece by piece:")
    constraint = ToolCalls(TOOLS, choice="required", allowed=("get_weather",), parallel=False)
    parser = CallParser(constraint)
    for piece in ask.run(constraint, stream=True).text_iter("turn"):
        for event in parser.feed(piece):
            print(f"  {event}")
    parser.finish()  # raises where a call was cut
    print(f"  {len(parser.calls)} whole call")


if __name__ == "__main__":
    main()
