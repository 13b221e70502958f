"""The well-known tools, under their usual names and under others."""

from collections.abc import Callable

import tool_questions as questions
from draw import Draw
from tool_kinds import Ask, Param, ToolKind, string

_CITY = (string("city", "The name of the city"),)

KNOWN: list[tuple[tuple[str, ...], str, tuple[Param, ...], Callable[[Draw], Ask]]] = [
    (
        ("get_weather", "weather", "current_weather", "getWeather", "get_current_weather"),
        "Get the current weather in a city.",
        _CITY,
        questions.ask_weather,
    ),
    (("get_time", "current_time", "time_in", "getTime"), "Get the current time in a city.", _CITY, questions.ask_time),
    (
        ("calculator", "calculate", "calc", "evaluate", "calculator"),
        "Evaluate an arithmetic expression.",
        (string("expression", "The expression, such as 2 + 3"),),
        questions.ask_calculator,
    ),
    (
        ("add", "sum_numbers", "plus"),
        "Add two numbers.",
        (Param("a", "integer", "First number"), Param("b", "integer", "Second number")),
        questions.ask_binary("add"),
    ),
    (
        ("multiply", "times", "product"),
        "Multiply two numbers.",
        (Param("a", "integer", "First number"), Param("b", "integer", "Second number")),
        questions.ask_binary("multiply"),
    ),
    (
        ("subtract", "minus"),
        "Subtract b from a.",
        (Param("a", "number", "First number"), Param("b", "number", "Second number")),
        questions.ask_binary("subtract"),
    ),
    (
        ("divide", "quotient"),
        "Divide a by b.",
        (Param("a", "number", "First number"), Param("b", "number", "Second number")),
        questions.ask_binary("divide"),
    ),
    (
        ("search", "web_search", "lookup", "search_web", "find"),
        "Search the web.",
        (string("query", "What to search for"),),
        questions.ask_search,
    ),
    (
        ("convert_currency", "exchange", "currency_convert"),
        "Convert an amount of money from one currency to another.",
        (
            Param("amount", "number", "The amount"),
            string("from_currency", "Currency code"),
            string("to_currency", "Currency code"),
        ),
        questions.ask_convert,
    ),
    (
        ("send_email", "email", "send_mail"),
        "Send an email.",
        (string("to", "Address"), string("subject", "Subject line"), string("body", "Text of the mail")),
        questions.ask_email,
    ),
    (
        ("get_price", "price_of", "lookup_price"),
        "Look up the price of an item.",
        (string("item", "Name of the item"),),
        questions.ask_price,
    ),
    (
        ("set_reminder", "remind", "add_reminder"),
        "Set a reminder.",
        (string("text", "What to be reminded of"), string("time", "When")),
        questions.ask_reminder,
    ),
    (
        ("set_light", "switch_light", "toggle_light"),
        "Turn a light on or off.",
        (string("room", "The room"), Param("on", "boolean", "True for on")),
        questions.ask_light,
    ),
    (("run_sql", "query_database", "sql"), "Run an SQL query.", (string("query", "The SQL query"),), questions.ask_sql),
    (
        ("translate", "translate_text"),
        "Translate a text into another language.",
        (string("text", "The text"), string("language", "Target language")),
        questions.ask_translate,
    ),
    (("get_population", "population"), "Get the number of people in a city.", _CITY, questions.ask_population),
]

_OTHER_NAMES = {
    "city": ("city", "location", "place", "city", "town"),
    "expression": ("expression", "expr", "formula", "expression"),
    "query": ("query", "q", "text", "query"),
    "a": ("a", "x", "first", "a"),
    "b": ("b", "y", "second", "b"),
    "item": ("item", "product", "name", "item"),
    "to": ("to", "recipient", "address", "to"),
}


def known_tool(draw: Draw, index: int | None = None, plain: bool = False) -> ToolKind:
    """A well-known tool, often under its usual name, sometimes under others."""
    all_names, description, params, ask = KNOWN[draw.number(0, len(KNOWN) - 1) if index is None else index]
    renamed = {
        p.name: draw.pick(_OTHER_NAMES[p.name])
        if p.name in _OTHER_NAMES and not plain and draw.chance(0.35)
        else p.name
        for p in params
    }
    if len(set(renamed.values())) < len(renamed):
        renamed = {p.name: p.name for p in params}

    def asked(inner: Draw) -> Ask:
        one = ask(inner)
        return Ask(one.question, {renamed[key]: value for key, value in one.arguments.items()}, one.result, one.reply)

    name = all_names[0] if plain or draw.chance(0.6) else draw.pick(all_names)
    return ToolKind(
        name, description, tuple(Param(renamed[p.name], p.kind, p.description, p.choices) for p in params), asked
    )
