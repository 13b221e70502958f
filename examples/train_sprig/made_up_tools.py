"""Tools nobody has heard of: a verb, a noun (often invented) and parameters that the question names in passing."""
# ruff: noqa: SIM905 - a list of words reads best as words

import names
from draw import Draw
from tool_kinds import Ask, Param, ToolKind

VERBS = (
    "book create delete order track play find rent cancel open start stop count check reserve print share "
    "archive sell inspect paint move"
).split()
NOUNS = (
    "table ticket file parcel song recipe car room flight meeting task alarm note list photo document account "
    "report game message printer robot garden"
).split()
# parameter name choices, type, description, how the question words it
SLOTS: list[tuple[tuple[str, ...], str, str, str]] = [
    (("city", "location", "place"), "string", "The city", " in {}"),
    (("date", "day"), "string", "The date", " on {}"),
    (("person", "name", "customer"), "string", "For whom", " for {}"),
    (("count", "quantity", "amount"), "integer", "How many", ", {} times"),
    (("color", "colour"), "string", "The color", " in the color {}"),
    (("size", "format"), "enum", "The size", " with size {}"),
    (("id", "number", "code"), "string", "The id", " with the id {}"),
    (("time", "at"), "string", "The time", " at {}"),
    (("price", "budget", "max_price"), "number", "The price", " for at most {} euros"),
    (("urgent", "express"), "boolean", "Whether it is urgent", ""),
    (("tags", "labels"), "array", "Tags", " with the tags {}"),
    (("level", "speed", "priority"), "integer", "The level", " at level {}"),
]
SIZES = ("small", "medium", "large")


def _value(draw: Draw, kind: str, param: str) -> object:
    if kind == "integer":
        return draw.number(1, draw.pick([9, 99, 999]))
    if kind == "number":
        return names.amount(draw)
    if kind == "boolean":
        return draw.chance(0.6)
    if kind == "enum":
        return draw.pick(SIZES)
    if kind == "array":
        return [names.word(draw) if draw.chance(0.5) else draw.pick(names.COLORS) for _ in range(draw.number(1, 3))]
    return {
        "The city": names.city,
        "The date": lambda d: names.date(d)[0] if d.chance(0.6) else d.pick(names.DAYS),
        "For whom": names.person,
        "The color": lambda d: d.pick(names.COLORS),
        "The id": names.code,
        "The time": names.time_of_day,
    }[param](draw)


def _function_name(draw: Draw, verb: str, noun: str) -> str:
    form = draw.number(0, 5)
    if form == 0:
        return verb + noun.capitalize()
    if form == 1:
        return f"{names.word(draw, 1, 2)}_{noun}"
    if form == 2:
        return f"{names.word(draw, 1, 2)}.{verb}_{noun}" if draw.chance(0.2) else names.word(draw, 2, 3)
    return f"{verb}_{noun}"


def made_up_tool(draw: Draw) -> ToolKind:
    verb, noun = draw.pick(VERBS), draw.pick(NOUNS) if draw.chance(0.55) else names.word(draw, 1, 2)
    if draw.chance(0.15):
        return _made_up_math(draw)
    slots = draw.some(SLOTS, draw.number(1, 4))
    params = []
    for all_names, kind, description, _ in slots:
        name = draw.pick(all_names) if draw.chance(0.75) else names.word(draw, 1, 2)
        params.append(Param(name, kind, description, SIZES if kind == "enum" else ()))
    title = _function_name(draw, verb, noun)

    def ask(inner: Draw) -> Ask:
        arguments: dict[str, object] = {}
        tail = ""
        for param, (_, kind, description, words) in zip(params, slots, strict=True):
            value = _value(inner, kind, description)
            arguments[param.name] = value
            if kind == "boolean":
                tail += ", it is urgent" if value else ", it is not urgent"
            else:
                shown = names.join_and(value) if isinstance(value, list) else str(value)
                tail += words.format(shown)
        thing = names.with_article(noun)
        question = inner.phrase(
            [
                f"{verb.capitalize()} {thing}{tail}.",
                f"Please {verb} {thing}{tail}.",
                f"I want to {verb} {thing}{tail}.",
                f"Can you {verb} {thing}{tail}?",
                f"{verb.capitalize()} the {noun}{tail}, please.",
                f"I need you to {verb} {thing}{tail}.",
                f"Could you please {verb} {thing}{tail}?",
                f"We have to {verb} the {noun}{tail}.",
                f"{verb} {noun}{tail}",
                f"Let us {verb} {thing}{tail}.",
                f"Would you {verb} the {noun}{tail}?",
                f"I would like to {verb} {thing}{tail}.",
            ]
        )
        made = inner.pick([("ok", "Done."), ({"status": "ok"}, "Done."), ("done", "Done.")])
        if inner.chance(0.5):
            reference = names.code(inner)
            made = inner.pick(
                [
                    ({"status": "ok", "id": reference}, f"Done. The id is {reference}."),
                    (f"ok, id {reference}", f"Done. The id is {reference}."),
                    ({"id": reference}, f"Done. The id is {reference}."),
                ]
            )
        return Ask(question, arguments, made[0], made[1])

    description = draw.pick(
        [
            f"{verb.capitalize()} {names.with_article(noun)}.",
            f"{verb.capitalize()}s {names.with_article(noun)}",
            f"Use this to {verb} {names.with_article(noun)}.",
        ]
    )
    return ToolKind(title, description, tuple(params), ask)


def _made_up_math(draw: Draw) -> ToolKind:
    """A function of one or two numbers or a string, such as the florp of 12."""
    noun = names.word(draw, 1, 2)
    kind = draw.pick(["integer", "integer", "string", "two"])
    first = draw.pick(["x", "n", "value", "number", "text"] if kind != "two" else ["a", "x", "first"])
    params = [Param(first, "string" if kind == "string" else "integer", "The input")]
    if kind == "two":
        params.append(Param({"a": "b", "x": "y", "first": "second"}[first], "integer", "The second input"))

    def ask(inner: Draw) -> Ask:
        value: object = names.word(inner) if kind == "string" else inner.number(0, 9999)
        arguments: dict[str, object] = {first: value}
        of = str(value)
        if kind == "two":
            other = inner.number(0, 999)
            arguments[params[1].name] = other
            of += f" and {other}"
        result: object = names.word(inner) if kind == "string" else inner.number(0, 9999)
        question = inner.phrase(
            [
                f"What is the {noun} of {of}?",
                f"Compute the {noun} of {of}.",
                f"Give me the {noun} of {of}.",
                f"Find the {noun} of {of}.",
                f"{noun} of {of}?",
                f"Tell me the {noun} of {of}.",
            ]
        )
        return Ask(question, arguments, inner.pick([result, {"result": result}]), f"The result is {result}.")

    return ToolKind(
        draw.pick([noun, f"get_{noun}", f"compute_{noun}"]),
        draw.pick([f"Compute the {noun}.", f"The {noun} of {'two numbers' if kind == 'two' else 'a value'}."]),
        tuple(params),
        ask,
    )
