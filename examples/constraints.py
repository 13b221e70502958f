"""Kinds of constraints: regex, choices, types, EBNF, Lark and JSON Schema; what they cost; and one that is refused."""

import palmette as pm


@pm.function
def constrained(s):
    s += "Q: What is 12 + 30?\nA: " + pm.gen("sum", regex=r"[0-9]{1,3}", temperature=0) + "\n\n"
    s += "Q: Is Paris in France?\nA: " + pm.gen("answer", choices=["Yes", "No"]) + "\n\n"
    s += "Q: How many days does a week have?\nA: " + pm.gen_int("days", max_tokens=4, temperature=0) + "\n\n"
    s += "Q: Spell a colour.\nA: " + pm.gen("colour", ebnf='root ::= "red" | "green" | "blue"', temperature=0) + "\n\n"
    s += "Q: What time is it?\nA: " + pm.gen("time", lark='start: /[01][0-9]|2[0-3]/ ":" /[0-5][0-9]/') + "\n\n"
    s += "JSON: " + pm.gen(
        "point",
        json_schema={
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 99},
            "minItems": 2,
            "maxItems": 2,
            "uniqueItems": True,
        },
        max_tokens=40,
        temperature=0,
    )


@pm.function
def refused(s):
    s += "JSON: " + pm.gen("price", json_schema={"type": "number", "multipleOf": 0.01, "currency": "EUR"})


def main() -> None:
    state = constrained.run()
    for name in ("sum", "answer", "days", "colour", "time", "point"):
        print(f"{name}: {state[name]!r}")
    for name in ("sum", "time", "point"):
        meta = state.get_meta_info(name)
        forced, num_tokens, log_mass = len(meta["forced_tokens"]), meta["completion_tokens"], meta["masked_log_mass"]
        print(
            f"{name}: {forced} of {num_tokens} tokens were forced; log-probability of what was allowed: {log_mass:.1f}"
        )
    try:
        refused.run()
    except pm.ProgramError as error:
        print("refused:", error)


if __name__ == "__main__":
    main()
