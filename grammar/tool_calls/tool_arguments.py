"""What the arguments of a tool's call may be, as an expression over the rules of the turn."""

from dataclasses import dataclass

from ..errors import InvalidConstraint, InvalidSchema
from ..guards.guard_plan import GuardPlan
from ..json_schema.document import SchemaDocument
from ..json_schema.schema_compiler import compile_schema
from ..json_text.strings import quoted, quoted_literal, spelled
from ..notations.choice import check_choices
from ..notations.ebnf import parse_ebnf
from ..notations.lark_rules import parse_lark
from ..notations.regex import parse_regex
from ..rules.expression import Expression, Literal, any_literal, concat
from ..rules.rule_set import RuleSet
from ..spec import Choice, Ebnf, JsonSchema, Lark, Regex, ToolSpec
from .call_format import ArgumentStyle
from .embedding import embed, embed_documents
from .python_arguments import PythonArguments

CUSTOM_ARGUMENT = "input"
"""The argument that holds the text of a tool with custom input."""


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """`expression` refers to rules of the set it was made for."""

    expression: Expression
    guards: GuardPlan | None = None


def define_arguments(rules: RuleSet, tool: ToolSpec, style: ArgumentStyle, prefix: str) -> ToolArguments:
    """The arguments of `tool`, their rules put into `rules` under names that begin with `prefix`.

    Raises the errors of `grammar.errors`; what cannot be enforced is refused.
    """
    if tool.custom_input is not None:
        return ToolArguments(_custom(rules, tool.custom_input, style, prefix))
    assert tool.parameters is not None, "checked before"
    schema = object_schema(tool.parameters)
    if style == "python":
        return ToolArguments(PythonArguments(rules, SchemaDocument(schema), prefix).define())
    documents = compile_schema(JsonSchema(schema))
    return ToolArguments(embed_documents(rules, documents, prefix), documents.guards)


def object_schema(parameters: str) -> str:
    """The schema with its type stated, which for arguments is `object`; raises `InvalidSchema` where it is another."""
    value = SchemaDocument(parameters).root.value
    if value is True:
        return '{"type": "object"}'
    if not isinstance(value, dict):
        raise InvalidSchema("", "the schema of an object of arguments", value)
    if "type" in value:
        if value["type"] not in ("object", ["object"]):
            raise InvalidSchema("/type", "'object', as arguments are", value["type"])
        return parameters
    return '{"type": "object"' + (", " if value else "") + parameters.strip()[1:]


def _custom(rules: RuleSet, constraint: Regex | Lark | Ebnf | Choice, style: ArgumentStyle, prefix: str) -> Expression:
    """The one argument, a string whose characters follow the constraint; JSON and Python write it alike."""
    text = _string(rules, constraint, prefix)
    if style == "python":
        return concat(Literal(f"{CUSTOM_ARGUMENT}="), text)
    return concat(Literal(f'{{"{CUSTOM_ARGUMENT}": '), text, Literal("}"))


def _string(rules: RuleSet, constraint: Regex | Lark | Ebnf | Choice, prefix: str) -> Expression:
    match constraint:
        case Regex(pattern):
            return quoted(spelled(parse_regex(pattern)))
        case Choice(choices):
            return any_literal(quoted_literal(choice) for choice in check_choices(choices))
        case Ebnf(grammar, root):
            return quoted(embed(rules, parse_ebnf(grammar, root).pruned(), prefix, spelled))
        case Lark(grammar):
            return quoted(embed(rules, parse_lark(grammar).pruned(), prefix, spelled))
        case _:
            raise InvalidConstraint(f"tool with custom input: expected a Regex, Ebnf, Lark or Choice, got {constraint}")
