"""A small language of one's own, in Lark's notation: the model writes equations, and Python checks its sums."""

import palmette as pm

EQUATION = r"""
start: sum " = " NUMBER
sum: product (" " ("+" | "-") " " product)*
product: value (" " "*" " " value)*
value: NUMBER | "(" sum ")"

NUMBER: /0|[1-9][0-9]{0,3}/
"""

# What is no grammar, and what could not be enforced as it is written.
REFUSED = ('start: number\nvalue: "1"', 'start: "a" %json {}', 'word: "a"')


@pm.function
def equation(s, question):
    s += pm.user(question)
    s += pm.assistant(pm.gen("equation", lark=EQUATION, max_tokens=24, temperature=0))


@pm.function
def held_to(s, grammar):
    s += "A: " + pm.gen("x", lark=grammar, max_tokens=4)


def main() -> None:
    for question in ("What is 12 plus 30?", "What is 45 minus 17?", "What is 23 times 7?"):
        text = equation.run(question)["equation"]
        formula, _, claim = text.partition(" = ")
        # Numbers, blanks, brackets and + - * are all that can stand in it, so Python may compute it.
        result = eval(formula, {"__builtins__": {}})
        print(f"{question}  {text}  {'right' if int(claim) == result else f'wrong: it is {result}'}")

    print("\nrefused, each with its place:")
    for grammar in REFUSED:
        try:
            held_to.run(grammar)
        except pm.ProgramError as error:
            print(f"  {type(error.cause).__name__}: {error.cause}")
        else:
            raise AssertionError(f"{grammar!r} should have been refused")


if __name__ == "__main__":
    main()
