"""A calculator: the model turns words into an expression, which a regex keeps well-formed, and Python evaluates it."""

import ast
import operator
from typing import Annotated

from msgspec import Meta

import palmette as pm

NUMBER = r"[0-9]{1,6}"
EXPRESSION = rf"{NUMBER}( [-+*/] {NUMBER}){{1,3}}|\({NUMBER} [-+] {NUMBER}\) [*/] {NUMBER}"
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


@pm.tool(timeout=2.0)
def calculator(expression: Annotated[str, Meta(pattern=f"^({EXPRESSION})$")]) -> float:
    """Evaluate an arithmetic expression.

    Args:
        expression: The expression, such as 2 + 3
    """
    value = evaluate(ast.parse(expression, mode="eval").body)
    return int(value) if value == int(value) else round(value, 3)


def evaluate(node: ast.expr) -> float:
    """The value of an expression of numbers and the four operators, and of nothing else that Python could run."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](evaluate(left), evaluate(right))
        case _:
            raise ValueError(f"expected numbers and + - * /, got {ast.unparse(node)}")


QUESTIONS = [
    "What is 23 times 7?",
    "Calculate 12 plus 30 times 4.",
    "What is (12 + 30) * 4?",
    "I need the result of 812 minus 77.",
    "What is 17 / 0?",
]


def main() -> None:
    helper = pm.agent([calculator], max_steps=2, max_tokens=200)
    for question in QUESTIONS:
        print("question:", question)
        for event in helper.events(question):
            match event:
                case pm.ToolCall(arguments=arguments):
                    print("  call:  ", arguments["expression"])
                case pm.ToolResult(result=result, error=error):
                    print("  result:", result if error is None else error)
                case pm.Answer(value=answer):
                    print("  answer:", answer)


if __name__ == "__main__":
    main()
