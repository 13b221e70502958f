"""Chats with tools: choose one, fill the arguments, read the answer, go on; or answer without a tool."""

from dataclasses import replace

import names
from draw import Draw
from facts import SYSTEMS, fact
from known_tools import KNOWN, known_tool
from made_up_tools import made_up_tool
from sample import Message, Sample, Tool, call_text, chat, dump_json, turn
from tool_kinds import Ask, ToolKind, schema

TOOL_SYSTEMS = [
    "You are a helpful assistant with tools.",
    "Use the tools when they help.",
    "You can call functions.",
    "Call a tool when you need one, else answer.",
    "You are an assistant that calls functions.",
    "You are a helpful assistant.",
    "You are an agent. Use the tools to answer.",
    "You have tools.",
    "You are a helpful agent that calls tools.",
    "Solve the task with the tools.",
]
_NAMES = [names_[0] for names_, *_ in KNOWN]
FAILURES = [
    "not found",
    "timeout",
    "invalid input",
    "service unavailable",
    "no connection",
    "permission denied",
    "rate limit exceeded",
    "internal error",
    "unknown city",
    "unknown item",
]


def call_turn(calls: list[tuple[str, dict[str, object]]], style: str) -> Message:
    """An assistant turn with calls; the structured form renders as "spaced", the others are written out."""
    if style == "spaced":
        return {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls
            ],
        }
    return turn("assistant", "\n".join(call_text(name, arguments, style) for name, arguments in calls))


def result_turn(result: object, style: str) -> Message:
    return turn("tool", result if isinstance(result, str) else dump_json(result, style))


def tool_set(draw: Draw, wanted: list[ToolKind], total: int) -> list[Tool]:
    """Schemas of the wanted tools among others, shuffled."""
    return [schema(draw, kind) for kind in draw.shuffled(with_others(draw, wanted, total))]


def with_others(draw: Draw, wanted: list[ToolKind], total: int) -> list[ToolKind]:
    """The wanted tools and further ones, no name twice, no two for the same arithmetic."""
    kinds = list(wanted)
    while len(kinds) < total:
        other = known_tool(draw) if draw.chance(0.6) else made_up_tool(draw)
        clash = {kind.description for kind in kinds} | {kind.name for kind in kinds}
        arithmetic = {"calculator", "add", "multiply", "subtract", "divide"}
        if (
            other.name in clash
            or other.description in clash
            or (any(_base(kind) in arithmetic for kind in kinds) and _base(other) in arithmetic)
        ):
            continue
        kinds.append(other)
    return kinds


def _base(kind: ToolKind) -> str:
    for all_names, description, *_ in KNOWN:
        if kind.description == description:
            return all_names[0]
    return kind.name


def _start(draw: Draw) -> list[Message]:
    return [turn("system", draw.phrase(TOOL_SYSTEMS))] if draw.chance(0.5) else []


def _follow(draw: Draw, messages: list[Message], ask: Ask, style: str) -> None:
    """The tool's answer, or its error, and the reply."""
    if draw.chance(0.12):
        why = draw.pick(FAILURES)
        result: object = draw.pick([{"error": why}, f"Error: {why}", {"error": why}])
        messages += [result_turn(result, style), turn("assistant", f"Sorry, that did not work: {why}.")]
    else:
        messages += [result_turn(ask.result, style), turn("assistant", ask.reply)]


def single_call(draw: Draw) -> Sample:
    """One to four tools, a question, a call; most go on to the reply, and then to other questions for these tools."""
    kind = known_tool(draw) if draw.chance(0.5) else made_up_tool(draw)
    kinds = with_others(draw, [kind], draw.pick((1, 1, 2, 2, 2, 3, 3, 4)))
    tools = [schema(draw, one) for one in draw.shuffled(kinds)]
    style = draw.pick(("compact", "spaced", "spaced"))
    ask = kind.ask(draw)
    messages = [*_start(draw), turn("user", ask.question), call_turn([(kind.name, ask.arguments)], style)]
    call_index = len(messages) - 1
    rest = draw.chance(0.7)
    if rest:
        _follow(draw, messages, ask, style)
        for _ in range(draw.pick((0, 0, 1, 1, 2, 3))):
            if draw.chance(0.15):
                question, _, answer = fact(draw)
                messages += [turn("user", question), turn("assistant", answer)]
                continue
            other = draw.pick(kinds)
            again = other.ask(draw)
            messages += [turn("user", again.question), call_turn([(other.name, again.arguments)], style)]
            _follow(draw, messages, again, style)
    judge_reply = rest and draw.chance(0.35)
    sample = chat("tool_reply" if judge_reply else "tool_call", messages, tools, "text" if judge_reply else "calls")
    return replace(sample, judged_turn=call_index + 2 if judge_reply else call_index)


def two_calls(draw: Draw) -> Sample:
    """Two calls in one turn: the same tool twice, or two tools."""
    style = draw.pick(("compact", "spaced", "spaced"))
    if draw.chance(0.55):
        index = draw.pick([0, 1, 10, 15])
        kind = known_tool(draw, index)
        first, second = kind.ask(draw), kind.ask(draw)
        key = next(iter(first.arguments))
        x, y = str(first.arguments[key]), str(second.arguments[key])
        if x == y:
            return single_call(draw)
        topic = {0: "weather", 1: "time", 10: "price", 15: "population"}[index]
        in_of = "of" if index in (10, 15) else "in"
        question = draw.phrase(
            [
                f"What is the {topic} {in_of} {x} and {in_of} {y}?",
                f"Compare the {topic} {in_of} {x} and {y}.",
                f"Tell me the {topic} {in_of} {x} and {y}.",
                f"What is the {topic} {in_of} {x} and {y}?",
                f"Give me the {topic} {in_of} {x} and the {topic} {in_of} {y}.",
                f"{topic} {in_of} {x} and {y}?",
            ]
        )
        kinds = [kind, kind]
    else:
        a, b = known_tool(draw), made_up_tool(draw) if draw.chance(0.4) else known_tool(draw)
        if a.name == b.name or _base(a) == _base(b):
            return single_call(draw)
        kinds = [a, b]
        first, second = a.ask(draw), b.ask(draw)
        question = f"{first.question} {draw.pick(['And ', 'Also: ', '', 'Then: '])}{second.question}"
    calls = [(kinds[0].name, first.arguments), (kinds[1].name, second.arguments)]
    unique = kinds[:1] if kinds[0] is kinds[1] else kinds
    tools = tool_set(draw, unique, draw.number(len(unique), 4))
    messages = [*_start(draw), turn("user", question), call_turn(calls, style)]
    index_of_call = len(messages) - 1
    if draw.chance(0.6):
        messages += [
            result_turn(first.result, style),
            result_turn(second.result, style),
            turn("assistant", f"{first.reply} {second.reply}"),
        ]
    return replace(chat("tool_two_calls", messages, tools, "calls"), judged_turn=index_of_call)


def loop(draw: Draw) -> Sample:
    """A chain: the second call needs the first one's answer."""
    style = draw.pick(("compact", "spaced", "spaced"))
    n = draw.number(2, 60)
    if draw.chance(0.6):
        price = known_tool(draw, 10)
        item, cost = draw.pick(names.ITEMS) if draw.chance(0.6) else names.word(draw), draw.number(2, 300)
        key = price.params[0].name
        question = draw.phrase(
            [
                f"How much do {n} {item}s cost?",
                f"I want to buy {n} {item}s. What is the total?",
                f"What is the total price of {n} {item}s?",
                f"What do {n} {item}s cost together?",
                f"Price of {n} {item}s?",
                f"How much must I pay for {n} {item}s?",
            ]
        )
        total = cost * n
        if draw.chance(0.5):
            second = known_tool(draw, 4)
            arguments: dict[str, object] = {second.params[0].name: cost, second.params[1].name: n}
        else:
            second = known_tool(draw, 2)
            arguments = {second.params[0].name: f"{cost} * {n}"}
        steps = [
            (price, {key: item}, cost if draw.chance(0.5) else {"price": cost}),
            (second, arguments, total if draw.chance(0.5) else {"result": total}),
        ]
        reply = f"{n} {item}s cost {total}."
    elif draw.chance(0.5):
        price, convert = known_tool(draw, 10), known_tool(draw, 8)
        item, cost = draw.pick(names.ITEMS), draw.number(2, 900)
        a, b = draw.some(names.CURRENCY_CODES, 2)
        result = draw.number(2, 9000)
        question = draw.phrase(
            [
                f"What does {names.with_article(item)} cost in {b}?",
                f"How much is {names.with_article(item)} in {b}?",
                f"Give me the price of {names.with_article(item)} in {b}.",
            ]
        )
        p = [param.name for param in convert.params]
        steps = [
            (price, {price.params[0].name: item}, {"price": cost, "currency": a}),
            (convert, {p[0]: cost, p[1]: a, p[2]: b}, result if draw.chance(0.5) else {"result": result}),
        ]
        reply = f"{names.with_article(item).capitalize()} costs {result} {b}."
    else:
        first_kind, mail = known_tool(draw, draw.pick([0, 1, 15])), known_tool(draw, 9)
        ask, to = first_kind.ask(draw), names.email(draw)
        city = str(next(iter(ask.arguments.values())))
        what = {0: "weather", 1: "time"}.get([d for _, d, *_ in KNOWN].index(first_kind.description), "population")
        question = draw.phrase(
            [
                f"Look up the {what} in {city} and mail it to {to}.",
                f"Send the {what} in {city} to {to}.",
                f"Find the {what} in {city}, then email it to {to}.",
            ]
        )
        p = [param.name for param in mail.params]
        steps = [
            (first_kind, ask.arguments, ask.result),
            (mail, {p[0]: to, p[1]: what.capitalize(), p[2]: ask.reply}, "sent"),
        ]
        reply = f"I sent the email to {to}."
    kinds = [kind for kind, *_ in steps]
    tools = tool_set(draw, kinds, draw.number(2, 4))
    messages = [*_start(draw), turn("user", question)]
    judged = []
    for kind, arguments, result in steps:
        judged.append(len(messages))
        messages += [call_turn([(kind.name, arguments)], style), result_turn(result, style)]
    messages.append(turn("assistant", reply))
    return replace(chat("tool_loop", messages, tools, "calls"), judged_turn=draw.pick(judged))


def no_tool(draw: Draw) -> Sample:
    """Tools are offered, none fits: a fact or small talk is answered directly."""
    kinds = [
        made_up_tool(draw) if draw.chance(0.5) else known_tool(draw, draw.pick([0, 1, 8, 9, 10, 11, 12]))
        for _ in range(draw.number(1, 3))
    ]
    unique = list({kind.name: kind for kind in kinds}.values())
    if draw.chance(0.7):
        question, _, answer = fact(draw)
    else:
        question, answer = draw.pick(
            [
                ("Hello!", "Hello! How can I help you?"),
                ("Thank you!", "You are welcome."),
                ("Who are you?", "I am sprig, a small language model that ships with palmette."),
                ("Hi", "Hello! How can I help you?"),
                ("Good morning!", "Good morning! How can I help you?"),
                ("Thanks, that is all.", "You are welcome."),
            ]
        )
    messages = ([turn("system", draw.pick(SYSTEMS))] if draw.chance(0.3) else _start(draw)) + [
        turn("user", question),
        turn("assistant", answer),
    ]
    return chat("tool_none", messages, [schema(draw, kind) for kind in unique])
