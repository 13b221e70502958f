"""Long inputs: many examples, long chats, long texts with one thing to find."""

import names
from arithmetic import problem
from classification import classify_raw
from draw import Draw
from extraction import extraction_chat
from memory import memory
from person_record import person
from sample import STYLES, Sample, chat, dump_json, raw, turn
from stories import place_text, story
from topics import TOPICS, topic_text


def padding(draw: Draw, num_parts: int) -> list[str]:
    """Paragraphs that have nothing to do with what is asked."""
    makers = (
        lambda: story(draw),
        lambda: place_text(draw, names.city(draw)),
        lambda: topic_text(draw, draw.pick(list(TOPICS))),
    )
    return [draw.pick(makers)() for _ in range(num_parts)]


def needle(draw: Draw, num_parts: int | None = None) -> Sample:
    """A fact somewhere in a long text."""
    parts = padding(draw, draw.number(4, 14) if num_parts is None else num_parts)
    kind = draw.number(0, 2)
    who = names.person(draw)
    if kind == 0:
        value = names.code(draw) if draw.chance(0.5) else str(draw.number(100, 99999))
        what = draw.pick(["secret code", "password", "magic number", "access code"])
        hidden, question, answer = (
            f"The {what} of {who} is {value}.",
            f"What is the {what} of {who}?",
            f"The {what} of {who} is {value}.",
        )
    elif kind == 1:
        value = names.word(draw)
        hidden, question, answer = (
            f"{who} hid the key under the {value}.",
            f"Where did {who} hide the key?",
            f"{who} hid the key under the {value}.",
        )
    else:
        value = draw.pick(names.HOBBIES)
        hidden, question, answer = (
            f"{who} likes {value} best of all.",
            f"What does {who} like best?",
            f"{who} likes {value} best.",
        )
    parts.insert(draw.number(0, len(parts)), hidden)
    text = draw.pick(["\n\n", "\n", " "]).join(parts)
    short = draw.chance(0.3)
    if short:
        question += " Only the value."
        answer = value
    if draw.chance(0.3):
        return raw("needle", f"{text}\n\nQ: {question}\nA:", f" {answer}")
    user = f"{text}\n\n{question}" if draw.chance(0.6) else f"{question}\n\n{text}"
    return chat("needle", [turn("user", user), turn("assistant", answer)])


def directory(draw: Draw, count: int | None = None) -> Sample:
    """A list of people; one is asked for."""
    people = [person(draw) for _ in range(draw.number(6, 24) if count is None else count)]
    text = "\n".join(p.text.replace("\n", ", ") for p in people)
    by_name = {str(p.values["name"]): p for p in people}
    if len(by_name) < len(people):
        return directory(draw, count)
    one = draw.pick(people)
    key = draw.pick([k for k in one.values if k in ("age", "city", "job")] or ["name"])
    name = one.values["name"]
    if key != "name" and draw.chance(0.5):
        question = {"age": f"How old is {name}?", "city": f"Where does {name} live?", "job": f"What is {name}'s job?"}[
            key
        ] + " Only the value."
        return chat("directory", [turn("user", f"{text}\n\n{question}"), turn("assistant", str(one.values[key]))])
    keys = [k for k in ("name", "age", "city", "job") if k in one.values]
    question = f"Extract {', '.join(keys)} of {name} as JSON."
    return chat(
        "directory",
        [
            turn("user", f"{text}\n\n{question}"),
            turn("assistant", dump_json({k: one.values[k] for k in keys}, draw.pick(STYLES))),
        ],
        match="json",
    )


def many_shot(draw: Draw) -> Sample:
    return classify_raw(draw, shots=draw.number(8, 40))


def long_chat(draw: Draw) -> Sample:
    return memory(draw, num_fillers=draw.number(6, 24))


def long_extraction(draw: Draw) -> Sample:
    """The text to extract from follows a lot of other text of the same chat."""
    sample = extraction_chat(draw)
    before = "\n\n".join(padding(draw, draw.number(3, 9)))
    messages = [
        turn("user", f"Read this.\n\n{before}"),
        turn("assistant", "I have read it."),
        *[m for m in sample.messages[: (sample.judged_turn or 0) + 1] if m["role"] != "system"],
    ]
    return chat("long_extract", messages, match="json")


def long_drill(draw: Draw) -> Sample:
    lines = []
    for _ in range(draw.number(20, 90)):
        sign, a, b, result = problem(draw)
        lines.append((f"{a} {sign} {b} =", f" {result}"))
    return raw("long_drill", "\n".join(h + t for h, t in lines[:-1]) + "\n" + lines[-1][0], lines[-1][1])
