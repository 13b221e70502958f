"""Every kind of constraint: regex, choices, types, EBNF and JSON Schema; and one that is refused, with its reason."""

import palmette as pm


@pm.function
def constrained(s):
    s += "Q: What is 12 + 30?\nA: " + pm.gen("sum", regex=r"[0-9]{1,3}", temperature=0) + "\n\n"
    s += "Q: Is Paris in France?\nA: " + pm.gen("answer", choices=["Yes", "No"]) + "\n\n"
    s += "Q: How many days does a week have?\nA: " + pm.gen_int("days", max_tokens=4, temperature=0) + "\n\n"
    s += "Q: Spell a colour.\nA: " + pm.gen("colour", ebnf='root ::= "red" | "green" | "blue"', temperature=0) + "\n\n"
    s += "JSON: " + pm.gen(
        "point",
        json_schema={"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        max_tokens=40,
        temperature=0,
    )


@pm.function
def refused(s):
    s += "JSON: " + pm.gen("set", json_schema={"type": "array", "uniqueItems": True, "items": {"type": "integer"}})


def main() -> None:
    state = constrained.run()
    for name in ("sum", "answer", "days", "colour", "point"):
        print(f"{name}: {state[name]!r}")
    try:
        refused.run()
    except pm.ProgramError as error:
        print("refused:", error)


if __name__ == "__main__":
    main()
