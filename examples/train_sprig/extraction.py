"""Extraction: a text, a request, and the JSON (or the bare value) that answers it."""

from dataclasses import replace

from draw import Draw
from extraction_requests import SYSTEMS, request
from names import join_and
from record_fields import FIELDS, Record
from records import MAKERS, record
from sample import STYLES, Message, Sample, chat, dump_json, raw, turn


def extraction_chat(draw: Draw) -> Sample:
    rec = record(draw)
    user, answer = request(draw, rec)
    messages: list[Message] = []
    if draw.chance(0.45):
        messages.append(turn("system", draw.phrase(SYSTEMS)))
    if draw.chance(0.06) and "\n" in user:  # the request as system text, the bare text as the user's
        user = user.replace(rec.text, "the text")
        messages = [turn("system", user)]
        user = rec.text
    style = draw.pick(STYLES)
    messages += [turn("user", user), turn("assistant", dump_json(answer, style))]
    first = len(messages) - 1
    if draw.chance(0.5):
        messages += follow_ups(draw, rec, list(answer), style)
    skill = "extract_" + (rec.kind if rec.kind in MAKERS else "made_up")
    return replace(chat(skill, messages, match="json"), judged_turn=first)


def follow_ups(draw: Draw, rec: Record, keys: list[str], style: str) -> list[Message]:
    """More questions in the same chat: another text with the same keys, or another field of the same text."""
    messages: list[Message] = []
    for _ in range(draw.number(1, 3)):
        if rec.kind in MAKERS and set(keys) <= set(rec.values) and draw.chance(0.5):
            rec = MAKERS[rec.kind](draw)
            said = draw.phrase(
                ["Now this one: {}", "And this: {}", "{}", "Next: {}", "The same for: {}", "Another one: {}"]
            )
            answer = dump_json({key: rec.values.get(key) for key in keys}, style)
            messages += [turn("user", said.format(rec.text)), turn("assistant", answer)]
            continue
        name = draw.pick([key for key, value in rec.values.items() if not isinstance(value, bool)])
        words = FIELDS[rec.kind][name][2] if rec.kind in FIELDS else name
        if draw.chance(0.5):
            said = draw.phrase(
                [
                    "Now only the {}.",
                    "Only the {} as JSON.",
                    "And the {}?",
                    "Just the {}, as JSON.",
                    "Give me the {}.",
                    "The {} again, please.",
                ]
            )
            messages += [turn("user", said.format(name)), turn("assistant", dump_json({name: rec.values[name]}, style))]
        else:
            value = rec.values[name]
            bare = ", ".join(value) if isinstance(value, list) else str(value)
            messages += [turn("user", f"What is the {words}? Only the value."), turn("assistant", bare)]
    return messages


def extraction_many(draw: Draw) -> Sample:
    """Several records in one text, answered as an array."""
    kind = draw.pick(["person", "event", "product", "person"])
    recs = [MAKERS[kind](draw) for _ in range(draw.number(2, 4))]
    shared = [name for name in FIELDS[kind] if all(name in rec.values for rec in recs)]
    keys = shared[: draw.number(1, len(shared))] if shared else []
    if not keys:
        return extraction_chat(draw)
    rows = [{key: rec.values[key] for key in keys} for rec in recs]
    plural = {"person": "people"}.get(kind, kind + "s")
    wrapped = draw.chance(0.4)
    user = draw.phrase(
        [
            "Extract all {p} as a JSON array with {f}.\n\n{t}",
            "List the {p} ({f}) as JSON: {t}",
            "{t}\n\nReturn every {k} with {f} as JSON.",
            "Extract the {p} with {f}. {t}",
            "Find all {p} in this text and give {f} as JSON.\n{t}",
            "JSON array of {p} with {f}: {t}",
        ]
    ).format(p=plural, k=kind, f=join_and(keys), t=draw.pick([" ", "\n"]).join(rec.text for rec in recs))
    if wrapped:
        user += f' Use the key "{plural}".'
    return chat(
        "extract_many",
        [turn("user", user), turn("assistant", dump_json({plural: rows} if wrapped else rows, draw.pick(STYLES)))],
        match="json",
    )


ASK_FIELD = [
    "What is the {w}?",
    "What is the {w} in this text?",
    "Give the {w} only.",
    "Which {w} is mentioned?",
    "Tell me the {w}.",
    "Find the {w}.",
]

ASK_PERSON = {
    "age": ["How old is {n}?", "What is {n}'s age?"],
    "city": ["Where does {n} live?", "In which city does {n} live?"],
    "job": ["What does {n} do for a living?", "What is {n}'s job?", "What does {n} do?"],
    "employer": ["Where does {n} work?", "Who does {n} work for?"],
}


def extraction_value(draw: Draw) -> Sample:
    """One field, answered with the bare value."""
    rec = record(draw)
    name = draw.pick(
        [
            key
            for key, value in rec.values.items()
            if isinstance(value, (str, int, float)) and not isinstance(value, bool)
        ]
    )
    words = FIELDS[rec.kind][name][2] if rec.kind in FIELDS else name
    if rec.kind == "person" and name in ASK_PERSON and draw.chance(0.7):
        question = draw.pick(ASK_PERSON[name]).format(n=rec.values["name"])
    else:
        question = draw.phrase(ASK_FIELD).format(w=words)
    answer = str(rec.values[name])
    short = draw.pick([" Answer with the value only.", " Only the value.", "", " Be brief.", " Answer in a few words."])
    text = rec.text
    if draw.chance(0.35):  # raw text
        form = draw.number(0, 2)
        if form == 0:
            return raw("extract_value", f"Text: {text}\nQ: {question}\nA:", f" {answer}")
        if form == 1:
            return raw("extract_value", f"{text}\n{words.capitalize()}:", f" {answer}")
        return raw("extract_value", f"Context: {text}\nQuestion: {question}\nAnswer:", f" {answer}")
    user = f"{text}\n\n{question}{short}" if draw.chance(0.6) else f"{question}{short}\n\n{text}"
    messages = (
        [
            turn(
                "system",
                draw.phrase(
                    [
                        "Answer with the bare value.",
                        "Answer from the text in a few words.",
                        "Only give the answer.",
                        "You answer with one value.",
                        "Reply with the value alone.",
                        "Answer briefly from the text.",
                    ]
                ),
            )
        ]
        if draw.chance(0.3)
        else []
    )
    return chat("extract_value", [*messages, turn("user", user), turn("assistant", answer)])


def extraction_raw(draw: Draw) -> Sample:
    """Text and JSON without a chat; with one to three examples the keys follow them."""
    kind = draw.pick(list(MAKERS)[:5])
    shots = draw.pick([0, 1, 1, 2, 3])
    style = draw.pick(("compact", "spaced", "spaced", "pretty"))
    recs = [MAKERS[kind](draw) for _ in range(shots + 1)]
    shared = [name for name in FIELDS[kind] if all(name in rec.values for rec in recs)] or ["name"]
    keys = draw.shuffled(shared)[: draw.number(1, len(shared))]
    head, tail = draw.pick(
        [
            ("Text: ", "JSON:"),
            ("Text: ", "Output:"),
            ("Input: ", "Output:"),
            ("", "JSON:"),
            (f"{kind.capitalize()}: ", "JSON:"),
        ]
    )
    intro = f"Extract {', '.join(keys)} as JSON.\n\n" if shots == 0 or draw.chance(0.5) else ""
    blocks = [
        f"{head}{rec.text}\n{tail} {dump_json({key: rec.values.get(key) for key in keys}, style)}" for rec in recs
    ]
    answer = " " + dump_json({key: recs[-1].values.get(key) for key in keys}, style)
    return raw("extract_raw", intro + "\n\n".join(blocks)[: -len(answer)], answer, match="json")


def profile_raw(draw: Draw) -> Sample:
    """A text and then a form filled line by line, as a program with one `gen` per field writes it."""
    rec = record(draw)
    chosen = [(key, value) for key, value in rec.values.items() if not isinstance(value, (list, bool))]
    draw.rng.shuffle(chosen)
    lines = "\n".join(f"{key.capitalize()}: {value}" for key, value in chosen)
    last = f" {chosen[-1][1]}"
    prompt = lines[: -len(last) - 1]
    head = draw.pick([f"{rec.text}\n\n", f"Text: {rec.text}\n", f"Fill in the form.\n\n{rec.text}\n\n"])
    return raw("extract_form", f"{head}{prompt}:", last)
