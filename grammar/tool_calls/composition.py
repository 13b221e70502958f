"""From constraints made of several languages to rules: tool calls, structural tags, reasoning, any text."""

from collections.abc import Iterable, Mapping

from ..errors import InvalidConstraint, UnsupportedConstraint, shorten
from ..json_schema.document import SchemaDocument
from ..json_schema.schema_compiler import compile_schema
from ..notations.choice import check_choices
from ..notations.ebnf import parse_ebnf
from ..notations.lark_rules import parse_lark
from ..notations.regex import parse_regex
from ..rules.char_set import ALL_CHARS
from ..rules.expression import Chars, Literal, any_literal, concat, repeat
from ..rules.rule_set import RuleSet
from ..spec import Any, Choice, Constraint, Ebnf, JsonSchema, Lark, Reasoned, Regex, StructuralTag, Tag, ToolCalls
from .call_format import format_of
from .call_turn import MAX_LINE_BREAKS, allowed_names, allowed_turn
from .composed_grammar import ComposedGrammar
from .embedding import embed, embed_documents
from .guard_frames import GuardFrames
from .merging import merged
from .tool_arguments import ToolArguments, define_arguments
from .turn_rules import define_turn
from .turn_state import Role, TurnState, after_texts, body_state, check_mark_len, check_marks, free_text

Composed = Any | StructuralTag | Reasoned | ToolCalls


def compile_composed(constraint: Composed) -> ComposedGrammar:
    """The rules of a constraint made of several; raises the errors of `grammar.errors`."""
    match constraint:
        case Any():
            rules = RuleSet("any")
            rules.define("any", repeat(Chars(ALL_CHARS), 0, None))
            return ComposedGrammar(rules, None)
        case ToolCalls():
            return compile_tool_calls(constraint)
        case StructuralTag():
            return compile_structural_tag(constraint)
        case Reasoned():
            return compile_reasoned(constraint)


def compile_tool_calls(constraint: ToolCalls) -> ComposedGrammar:
    """The turns that the constraint allows; every one of them is read back by `CallParser`."""
    start = allowed_turn(constraint)
    style = format_of(constraint.format).style
    names = allowed_names(constraint) if constraint.choice != "none" else ()
    rules = RuleSet("turn-0")
    arguments = {
        tool.name: define_arguments(rules, tool, style, f"tool-{index}")
        for index, tool in enumerate(constraint.tools)
        if tool.name in names
    }
    return _composed(rules, start, arguments)


def compile_structural_tag(constraint: StructuralTag) -> ComposedGrammar:
    """Free text and tagged parts."""
    triggers = _checked_triggers(constraint)
    rules = RuleSet("turn-0")
    contents: dict[str, ToolArguments] = {}
    text = TurnState(Role.TEXT, is_final=True)
    last = TurnState(Role.MARKUP, is_final=True) if constraint.stop_after_first else text
    rests: dict[str, dict[str, TurnState]] = {trigger: {} for trigger in triggers.values()}
    for index, tag in enumerate(constraint.tags):
        trigger = triggers[tag.begin]
        rests[trigger][tag.begin[len(trigger) :]] = _tagged(rules, tag, f"tag-{index}", last, contents)
    marks: dict[str, TurnState | None] = {trigger: after_texts(each) for trigger, each in rests.items()}
    free_text(marks, text)
    start = free_text(marks, TurnState(Role.TEXT)) if constraint.at_least_one else text
    if any(content.guards is not None for content in contents.values()):
        _check_containers([tag.content for tag in constraint.tags])
    return _composed(rules, start, contents)


def compile_reasoned(constraint: Reasoned) -> ComposedGrammar:
    """Thoughts, then the answer."""
    begin, end = constraint.reasoning.begin, constraint.reasoning.end
    if not end:
        raise InvalidConstraint("reasoning: expected a mark that ends it, got an empty one")
    rules = RuleSet("turn-0")
    content = _content(rules, constraint.answer, "answer")
    answer = body_state("answer", TurnState(Role.MARKUP, is_final=True))
    thoughts = free_text({end: answer}, TurnState(Role.REASONING))
    behind = concat(repeat(Literal("\n"), 0, MAX_LINE_BREAKS), content.expression)
    return _composed(rules, after_texts({begin: thoughts}), {"answer": ToolArguments(behind, content.guards)})


def _composed(rules: RuleSet, start: TurnState, contents: Mapping[str, ToolArguments]) -> ComposedGrammar:
    define_turn(rules, start, {key: content.expression for key, content in contents.items()})
    guards = {key: content.guards for key, content in contents.items() if content.guards is not None}
    return ComposedGrammar(merged(rules.pruned()), GuardFrames(start, guards) if guards else None)


def _tagged(rules: RuleSet, tag: Tag, key: str, following: TurnState, contents: dict[str, ToolArguments]) -> TurnState:
    """The state behind a tag's `begin`."""
    if isinstance(tag.content, Any):
        return free_text({tag.end: following}, TurnState(Role.MARKUP))
    contents[key] = _content(rules, tag.content, key)
    return body_state(key, after_texts({tag.end: following}))


def _content(rules: RuleSet, constraint: Constraint, prefix: str) -> ToolArguments:
    """What may stand at a place, its rules put into `rules`."""
    match constraint:
        case JsonSchema():
            documents = compile_schema(constraint)
            return ToolArguments(embed_documents(rules, documents, prefix), documents.guards)
        case Regex(pattern):
            return ToolArguments(parse_regex(pattern))
        case Choice(choices):
            return ToolArguments(any_literal(check_choices(choices)))
        case Ebnf(grammar, root):
            return ToolArguments(embed(rules, parse_ebnf(grammar, root).pruned(), prefix))
        case Any() | StructuralTag() | Reasoned() | ToolCalls():
            composed = compile_composed(constraint)
            if composed.frames is not None:
                raise UnsupportedConstraint(
                    "constraint: expected schemas that a grammar can say where tags, calls or reasoning stand inside "
                    "each other, got one that needs guards; simplify the schema"
                )
            return ToolArguments(embed(rules, composed.rules, prefix))
        case Lark(grammar):
            return ToolArguments(embed(rules, parse_lark(grammar).pruned(), prefix))
        case _:
            raise InvalidConstraint(f"constraint: expected one of palmette.grammar.spec, got {shorten(constraint)}")


def _checked_triggers(constraint: StructuralTag) -> dict[str, str]:
    """The trigger of each tag, by its `begin`; raises `InvalidConstraint`."""
    begins = [tag.begin for tag in constraint.tags]
    if not begins:
        raise InvalidConstraint("tags: expected at least one, got none")
    triggers: dict[str, str] = {}
    for tag in constraint.tags:
        check_mark_len(tag.begin)
        check_mark_len(tag.end)
        others = [begin for begin in begins if begin.startswith(tag.begin)]
        if len(others) > 1:
            raise InvalidConstraint(f"tags: expected begins of which none begins another, got {shorten(others)}")
        if isinstance(tag.content, Any) and not tag.end:
            raise InvalidConstraint(f"tag {tag.begin!r}: expected an end, as its content may be any text, got none")
        fitting = [trigger for trigger in constraint.triggers or begins if tag.begin.startswith(trigger)]
        if len(fitting) != 1:
            raise InvalidConstraint(f"tag {tag.begin!r}: expected one trigger to begin it, got {shorten(fitting)}")
        triggers[tag.begin] = fitting[0]
    unused = [trigger for trigger in constraint.triggers if trigger not in triggers.values()]
    if unused:
        raise InvalidConstraint(f"triggers: expected each to begin a tag, got {shorten(unused)}")
    check_marks(triggers.values())
    return triggers


def _check_containers(contents: Iterable[Constraint]) -> None:
    """Guards must know where each document ends: contents are free, or JSON objects and arrays."""
    for content in contents:
        if isinstance(content, Any):
            continue
        if isinstance(content, JsonSchema):
            root = SchemaDocument(content.schema).root.value
            if isinstance(root, dict) and root.get("type") in ("object", "array", ["object"], ["array"]):
                continue
        raise UnsupportedConstraint(
            "tags: expected contents that are free or JSON of type object or array beside a schema that needs guards, "
            f"got {shorten(content)}; state the type, or simplify the schema"
        )
