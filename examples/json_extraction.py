"""Fields out of a sentence, as JSON that is sure to match its schema, for many sentences at once."""

import json

import palmette as pm

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

SENTENCES = [
    "Tamsin Velora is 34 years old and lives in Dranholm.",
    "Meet Oskar Brevik, a 61-year-old from Lunavale.",
    "In Port Selmir lives Ilka Morane. She is 27.",
]


@pm.function
def extract(s, text):
    s += pm.user(f"Extract name, age and city from this text: {text}")
    s += pm.assistant(pm.gen("person", max_tokens=80, temperature=0, json_schema=PERSON))


def main() -> None:
    states = extract.run_batch([{"text": text} for text in SENTENCES])
    for text, state in zip(SENTENCES, states, strict=True):
        person = json.loads(state["person"])  # always parses: the sampler never leaves the grammar
        assert set(person) == {"name", "age", "city"}
        print(f"{text}\n    {person}")


if __name__ == "__main__":
    main()
