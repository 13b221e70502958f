"""Ways to ask for the fields of a record: a list, keys, a schema, a class, or only the kind."""

from draw import Draw
from names import join_and
from record_fields import FIELDS, Record, Value
from sample import STYLES, dump_json

SYSTEMS = [
    "You extract data and answer in JSON.",
    "You are an information extraction system. Reply with JSON only.",
    "Extract the data as JSON.",
    "You are a helpful assistant.",
    "You turn text into JSON.",
    "Answer with a JSON object only.",
    "You are a helpful assistant that answers in JSON.",
    "Reply only with valid JSON.",
    "Extract what is asked and nothing else.",
    "You are sprig, a small helpful assistant.",
    "Return JSON.",
    "You are a data extraction assistant.",
]

BY_LIST = [
    "Extract {f} from this text: {t}",
    "Extract {f} from the text.\n\n{t}",
    "Give me {f} as JSON.\n{t}",
    "{t}\n\nExtract {f} as JSON.",
    "Find {f} in the following text.\n\nText: {t}",
    "Read the text and return {f} as JSON.\n\n{t}",
    "Extract the following fields: {f}.\nText: {t}",
    "Extract as JSON ({f}): {t}",
    "{t}\nReturn {f} as a JSON object.",
    "What are {f}? Answer in JSON.\n\n{t}",
    "Text: {t}\nFields: {f}\nJSON:",
    'Please extract {f} from: "{t}"',
    "Pull {f} out of this: {t}",
    "Extract {f}: {t}",
    "I need {f} from this text as JSON: {t}",
    "Fill in {f} from the text below.\n{t}",
    "{t}\n\nWrite {f} as JSON.",
    'From the text "{t}" extract {f}.',
]

BY_KEYS = [
    "Extract the {k} as JSON with keys {q}.\n\n{t}",
    "Return a JSON object with the keys {q} for this text: {t}",
    "{t}\n\nAnswer as JSON with keys {q}.",
    "Convert to JSON with keys {q}: {t}",
    "Describe the {k} as JSON (keys: {q}).\n{t}",
    "Give a JSON object with {q}.\n\nText: {t}",
    "Write the {k} as a JSON object with the keys {q}.\n{t}",
    "Keys: {q}\nText: {t}\nGive the JSON.",
    "Use the keys {q} and turn this into JSON: {t}",
    "JSON with {q}, please: {t}",
    "Fill a JSON object with the keys {q} from this text.\n\n{t}",
    "As JSON ({q}): {t}",
]

BY_KIND = [
    "Extract the {k}: {t}",
    "Extract the {k} from this text as JSON: {t}",
    "Turn this {k} into JSON.\n{t}",
    "{t}\n\nExtract the {k} as JSON.",
    "Parse this {k}: {t}",
    "Extract the {k} as JSON.\n\n{t}",
    "Who or what is the {k}? Answer in JSON.\n{t}",
    "Extract the {k} information.\n\n{t}",
    "Convert the {k} to JSON: {t}",
    "Return the {k} as JSON.\nText: {t}",
    "{k} as JSON: {t}",
    "Extract: {t}",
    "Give me the {k} in this text as JSON.\n\n{t}",
    "Read this and extract the {k}.\n{t}",
]

BY_SCHEMA = [
    "Extract the {k} as JSON that matches this schema:\n{s}\n\nText: {t}",
    "Answer with JSON that matches this schema:\n{s}\n\n{t}",
    "{t}\n\nExtract the {k}. JSON schema:\n{s}",
    "Schema: {s}\nText: {t}",
    "Fill this JSON schema from the text.\n{s}\n\n{t}",
    "Use this schema:\n{s}\n{t}",
    "Reply with a JSON object of this form: {s}\n\n{t}",
]


def _choose_keys(draw: Draw, rec: Record) -> list[tuple[str, str, Value]]:
    """(canonical field, key in the answer, value) in the order asked; now and then a field that the text lacks."""
    fields = list(rec.values)
    if draw.chance(0.6):
        draw.rng.shuffle(fields)
    if len(fields) > 1 and draw.chance(0.6):
        fields = fields[: draw.number(1 if draw.chance(0.15) else min(2, len(fields)), len(fields))]
    known = FIELDS.get(rec.kind, {})
    absent = [name for name in known if name not in rec.values]
    if absent and draw.chance(0.12):
        fields.insert(draw.number(0, len(fields)), draw.pick(absent))
    chosen, used = [], set()
    rename = draw.chance(0.3)
    for name in fields:
        key = draw.pick(known[name][0]) if rename and name in known and draw.chance(0.7) else name
        if key in used or (key in fields and key != name):
            key = name
        used.add(key)
        chosen.append((name, key, rec.values.get(name)))
    return chosen


def _type_of(rec: Record, name: str, value: Value) -> str:
    if rec.kind in FIELDS:
        return FIELDS[rec.kind][name][1]
    return "integer" if isinstance(value, int) else "string"


def schema_of(draw: Draw, rec: Record, chosen: list[tuple[str, str, Value]]) -> str:
    """A JSON schema as pydantic and people write it, or a small typed sketch of the object."""
    if draw.chance(0.25):
        short = {
            key: {"integer": "int", "number": "float", "boolean": "bool", "array": "list"}.get(
                _type_of(rec, name, value), "string"
            )
            for name, key, value in chosen
        }
        return dump_json(short, draw.pick(STYLES))
    titled = draw.chance(0.35)
    properties: dict[str, object] = {}
    for name, key, value in chosen:
        kind = _type_of(rec, name, value)
        one: dict[str, object] = {"title": key.replace("_", " ").title()} if titled else {}
        if value is None:
            one["type"] = [kind, "null"]
        else:
            one["type"] = kind
        if kind == "array":
            one["items"] = {"type": "string"}
        properties[key] = one
    schema: dict[str, object] = {"type": "object", "properties": properties}
    if titled:
        schema = (
            {"title": rec.kind.capitalize(), **schema}
            if draw.chance(0.5)
            else {"properties": properties, "title": rec.kind.capitalize(), "type": "object"}
        )
    if draw.chance(0.7):
        schema["required"] = [key for _, key, _ in chosen]
    if draw.chance(0.25):
        schema["additionalProperties"] = False
    return dump_json(schema, draw.pick(STYLES))


def _typed_class(rec: Record, chosen: list[tuple[str, str, Value]]) -> str:
    python = {"integer": "int", "number": "float", "boolean": "bool", "array": "list[str]", "string": "str"}
    return f"class {rec.kind.capitalize()}:\n" + "\n".join(
        f"    {key}: {python[_type_of(rec, name, value)]}" for name, key, value in chosen
    )


VERBS = [
    "Extract", "Find", "Get", "Give me", "Return", "List", "Identify", "Show", "Pull out", "Read off", "Note down",
    "Collect", "Report", "Name", "Copy", "Take", "I want", "Look up", "Pick out", "Output", "Tell me",
]  # fmt: skip
SOURCES = ["the text", "this text", "the sentence", "the message", "the passage", "this", "the line", "what follows"]
FORMS = ["", "", " as JSON", " in JSON", " as a JSON object", " (JSON)", " in JSON form", ", JSON only"]


def composed_request(draw: Draw) -> str:
    """A request for listed fields put together from parts; has {f} and {t}. Never used for the held-out side."""
    verb, form = draw.pick(VERBS), draw.pick(FORMS)
    verb = verb if draw.chance(0.8) else verb.lower()
    please = draw.pick(["", "", "", "Please ", "please ", "Kindly ", "Can you "])
    ask = f"{please}{verb.lower() if please else verb} {{f}}"
    shape = draw.number(0, 4)
    if shape == 0:
        return f"{ask} from {draw.pick(SOURCES)}{form}: {{t}}"
    if shape == 1:
        return f"{ask}{form}{draw.pick([':', '.', ''])}\n{draw.pick(['', chr(10)])}{{t}}"
    if shape == 2:
        return f"{{t}}\n{draw.pick(['', chr(10)])}{ask}{form}{draw.pick(['.', '', '!'])}"
    if shape == 3:
        return f"{draw.pick(SOURCES).capitalize()}: {{t}}\n{ask}{form}{draw.pick(['.', ''])}"
    return f'{ask} from {draw.pick(SOURCES)} below{form}.\n"{{t}}"'


def request(draw: Draw, rec: Record) -> tuple[str, dict[str, Value]]:
    """The user's words and the object that answers them."""
    chosen = _choose_keys(draw, rec)
    kind = rec.kind
    form = draw.rng.choices(("list", "keys", "kind", "schema", "class"), (36, 22, 16, 20, 6))[0]
    keys = [key for _, key, _ in chosen]
    note = ""
    if any(value is None for _, _, value in chosen):
        note = draw.pick([" Use null for what is missing.", " Use null if unknown.", " Missing values are null.", ""])
    text = rec.text
    if form == "list":
        words = [
            FIELDS[kind][name][2] if kind in FIELDS and key == name and draw.chance(0.3) else key
            for name, key, _ in chosen
        ]
        the = draw.chance(0.4)
        listed = (
            join_and([f"the {w}" if the else w for w in words])
            if draw.chance(0.6)
            else ("the " if the else "") + ", ".join(words)
        )
        phrase = draw.phrase(BY_LIST) if draw.heldout or draw.chance(0.5) else composed_request(draw)
        user = phrase.format(f=listed, t=text) + note
    elif form == "keys":
        quote = draw.pick(['"{}"', "{}", "`{}`", "'{}'"])
        quoted = [quote.format(key) for key in keys]
        user = (
            draw.phrase(BY_KEYS).format(k=kind, q=join_and(quoted) if draw.chance(0.5) else ", ".join(quoted), t=text)
            + note
        )
    elif form == "kind":
        canonical = [name for name in FIELDS.get(kind, rec.values) if name in rec.values]
        if draw.heldout or draw.chance(0.6):  # all that the text says, in the usual order
            chosen = [(name, name, rec.values[name]) for name in canonical]
        user = draw.phrase(BY_KIND).format(k=kind, t=text)
    elif form == "schema":
        user = draw.phrase(BY_SCHEMA).format(k=kind, s=schema_of(draw, rec, chosen), t=text)
    else:
        user = draw.pick(
            [
                "{c}\n\nMake one from: {t}",
                "Return JSON for this class.\n{c}\n\n{t}",
                "{t}\n\nExtract it as JSON for:\n{c}",
            ]
        ).format(c=_typed_class(rec, chosen), t=text)
    answer = {key: value for _, key, value in chosen}
    dates = [(key, rec.iso[name]) for name, key, _ in chosen if name in rec.iso]
    if dates and draw.chance(0.2):
        user += draw.pick([" Dates as YYYY-MM-DD.", " Write dates in ISO format (YYYY-MM-DD).", " Use ISO dates."])
        answer.update(dates)
    return user, answer
