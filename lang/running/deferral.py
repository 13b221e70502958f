"""Where user code may be given a value that is not there yet: in text that goes straight to a state."""

import ast
import inspect
import linecache
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any
from weakref import WeakKeyDictionary

from ..primitives import assistant, system, user
from ..source_line import is_of_language

Span = tuple[int | None, int | None, int | None, int | None]
"""First line, last line, first column, last column: where an expression stands in its source."""

Target = tuple[str, bool]
"""The name of what text is appended to, and whether only an item of what is read is in it."""

_TURNS = ("system", "user", "assistant", "tool")
_BLOCKS = (*_TURNS, "fork", "copy", "var_scope")


def text_target(*, is_part: bool = False) -> object | None:
    """What the value that user code reads right now is appended to, as it is and at once; None if anything else.

    In `s += f"... {s['x']} ..."`, `s += "..." + s["x"]`, `s += user(f"{branches[0]['x']}")` and `s.user(f"{s['x']}")`
    that is what `s` stands for. If it is a state, a reference does as well as the value, and Python need not wait:
    what the model is told next depends on the value, what the program does next does not. In any other place the
    value itself is wanted. With `is_part` the read is of a list an item of which goes there: `s["x"]` in
    `s += f"... {s['x'][0]}"`.

    Nor is a read deferred where its failure might be caught on the spot: inside a `try` with handlers, or a `with` that
    is not a state's own.

    Found out once for each function, from its source. Where that is not at hand, or not what was compiled, nothing
    is deferred, which changes when a program waits and never what it says.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and is_of_language(frame):
        frame = frame.f_back
    name, is_of_list = _targets_of(frame).get(frame.f_lasti, (None, False))
    if name is None or is_of_list != is_part:
        return None
    return frame.f_locals.get(name, frame.f_globals.get(name))


def _targets_of(frame: FrameType) -> Mapping[int, Target]:
    code = frame.f_code
    targets = _KNOWN.get(code)
    if targets is None:
        with _READING:
            targets = _KNOWN.get(code)
            if targets is None:
                targets = _KNOWN[code] = _find_targets(code, frame.f_globals)
    return targets


_READING = threading.Lock()
"""Held while a source is read: of a batch every thread asks for the same one at once. Besides, before 3.11.5 CPython
counts the depth of the trees of all threads as one, and raises `SystemError` (its issue 106905)."""
_KNOWN: WeakKeyDictionary[CodeType, Mapping[int, Target]] = WeakKeyDictionary()
"""By code: instruction offsets of deferrable reads, with the name of what their text is appended to."""


def _find_targets(code: CodeType, names: dict[str, Any]) -> Mapping[int, Target]:
    source = "".join(linecache.getlines(code.co_filename, names))
    try:
        tree = ast.parse(source, code.co_filename)
        module = compile(tree, code.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, SystemError):
        return {}  # not what runs: a notebook's magic, say; or a thread of the user's parses, too (see `_READING`)
    if not any(_is_same(each, code) for each in _all_codes(module)):
        return {}
    spans = _deferrable_spans(tree, names)
    positions = enumerate(code.co_positions())
    return {2 * index: spans[position] for index, position in positions if position in spans}


def _is_same(found: CodeType, code: CodeType) -> bool:
    return (
        found.co_qualname == code.co_qualname
        and found.co_code == code.co_code
        and list(found.co_positions()) == list(code.co_positions())
    )


def _all_codes(module: CodeType) -> Iterator[CodeType]:
    yield module
    for constant in module.co_consts:
        if inspect.iscode(constant):
            yield from _all_codes(constant)


@dataclass(frozen=True)
class _Read:
    """A deferrable read, or an f-string whose fields are: formatting a value happens at the place of the whole."""

    node: ast.expr
    target: str
    is_part: bool = False


def _deferrable_spans(tree: ast.Module, names: Mapping[str, object]) -> dict[Span, Target]:
    reads = [read for statement in _unguarded(tree) for read in _reads_of(statement, names)]
    nodes = {read.node for read in reads}
    # In Python 3.11 several expressions of a long f-string can claim one place; a name or a constant reads no state.
    harmless = (ast.Name, ast.Constant, ast.FormattedValue)
    others = {
        _span(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and node not in nodes and not isinstance(node, harmless)
    }
    return {_span(read.node): (read.target, read.is_part) for read in reads if _span(read.node) not in others}


def _unguarded(node: ast.AST, *, is_guarded: bool = False) -> Iterator[ast.AST]:
    """The nodes below `node` where nothing of the same function catches what they raise."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        is_guarded = False
    elif isinstance(node, ast.Try | ast.TryStar):
        is_guarded = is_guarded or bool(node.handlers)
    elif isinstance(node, ast.With | ast.AsyncWith):
        is_guarded = is_guarded or not all(_is_of_state(item.context_expr) for item in node.items)
    if not is_guarded:
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _unguarded(child, is_guarded=is_guarded)


def _is_of_state(context: ast.expr) -> bool:
    """`s.user()`, `s.fork(3)` and the like, which let errors pass."""
    return isinstance(context, ast.Call) and isinstance(context.func, ast.Attribute) and context.func.attr in _BLOCKS


def _reads_of(statement: ast.AST, names: Mapping[str, object]) -> Iterator[_Read]:
    """The deferrable reads of one statement: `s += ...`, `branches[0] += ...` or `s.user(...)`."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        target = statement.target.value if isinstance(statement.target, ast.Subscript) else statement.target
        if isinstance(target, ast.Name):
            yield from _reads_in_text(statement.value, target.id, names)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        function = call.func
        is_turn = isinstance(function, ast.Attribute) and function.attr in _TURNS
        if is_turn and len(call.args) == 1 and not call.keywords:
            assert isinstance(function, ast.Attribute)
            if isinstance(function.value, ast.Name):
                yield from _reads_in_text(call.args[0], function.value.id, names)


def _reads_in_text(text: ast.expr, target: str, names: Mapping[str, object]) -> Iterator[_Read]:
    """The reads within an expression that is appended to `target`, where nothing else sees what they give."""
    if isinstance(text, ast.Subscript):
        yield from _reads_in_subscript(text, target)
    elif isinstance(text, ast.BinOp) and isinstance(text.op, ast.Add):
        yield from _reads_in_text(text.left, target, names)
        yield from _reads_in_text(text.right, target, names)
    elif isinstance(text, ast.JoinedStr):
        yield _Read(text, target)
        for part in text.values:
            is_plain = isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None
            if is_plain and isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Subscript):
                yield from _reads_in_subscript(part.value, target)
    elif isinstance(text, ast.Call) and _named(text.func, names) in (system, user, assistant):
        for argument in text.args:
            yield from _reads_in_text(argument, target, names)


def _reads_in_subscript(read: ast.Subscript, target: str) -> Iterator[_Read]:
    yield _Read(read, target)
    # By a constant index only: a slice of the list would be formatted as a list.
    index = read.slice.operand if isinstance(read.slice, ast.UnaryOp) else read.slice
    is_item = isinstance(index, ast.Constant) and isinstance(index.value, int)
    if isinstance(read.value, ast.Subscript) and is_item:
        yield _Read(read.value, target, is_part=True)


def _named(function: ast.expr, names: Mapping[str, object]) -> object:
    """What a name, or a name in a module, stands for; None where that is not a global."""
    if isinstance(function, ast.Name):
        return names.get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return getattr(names.get(function.value.id), function.attr, None)
    return None


def _span(node: ast.expr) -> Span:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
