"""A schema that is refused: all that cannot be enforced, each with its place and reason; then the same, put right."""

import json

import palmette as pm
from palmette.grammar.json_schema.schema_compiler import audit_schema
from palmette.grammar.spec import JsonSchema

# Three keywords that would have to be dropped without a word, or guessed at.
REFUSED = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^(?!admin)[A-Za-z ]{2,20}$"},
        "email": {"type": "string", "format": "email", "maxLength": 30, "nullable": True},
        "roles": {"type": "array", "items": {"enum": ["read", "write"]}, "uniqueItem": True},
    },
    "required": ["name", "email", "roles"],
}

PUT_RIGHT = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z ]{2,20}$", "not": {"pattern": "^admin"}},
        "email": {"anyOf": [{"type": "string", "format": "email", "maxLength": 30}, {"type": "null"}]},
        "roles": {"type": "array", "items": {"enum": ["read", "write"]}, "uniqueItems": True},
    },
    "required": ["name", "email", "roles"],
}


@pm.function
def account(s, schema):
    s += pm.user("Extract name, email and roles from this text: Ann Lee (ann@lee.org) may read and write.")
    s += pm.assistant(pm.gen("account", json_schema=schema, max_tokens=80, temperature=0))


def show_verdicts(schema: dict[str, object]) -> None:
    for entry in audit_schema(JsonSchema(json.dumps(schema))):
        if entry.verdict in ("guarded", "refused"):
            reason = f": {entry.reason}" if entry.reason else ""
            print(f"  {entry.verdict:8} #{entry.pointer} {entry.keyword}{reason}")


def main() -> None:
    try:
        account.run(REFUSED)
    except pm.ProgramError as error:
        print("before a token is made:\n ", error, "\n")
    print("all of it, as `palmette check-schema` shows it, too:")
    show_verdicts(REFUSED)
    print("\nput right, nothing is refused:")
    show_verdicts(PUT_RIGHT)
    print("\naccount:", account.run(PUT_RIGHT)["account"])


if __name__ == "__main__":
    main()
