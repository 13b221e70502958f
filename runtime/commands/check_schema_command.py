"""`palmette check-schema`: what of a JSON Schema is enforced, by what, and what is refused."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ...grammar.errors import UnsupportedSchema
from ...grammar.spec import JsonSchema, Whitespace
from .command import Commands, UsageError, add_command, one_line

if TYPE_CHECKING:
    from ...grammar.json_schema.audit import AuditEntry
    from .schema_report import DocumentReport, SchemaReport

_OPTION_OF = {"whitespace": "--whitespace", "property_order": "--order", "reading": "--reading"}
_SECTIONS = (
    ("enforced", "the grammar enforces", "green"),
    ("guarded", "guards check where values close", "cyan"),
    ("annotation", "forbids nothing", "dim"),
)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands, "check-schema", check_schema, "palmette check-schema person.json --document ann.json"
    )
    parser.add_argument("schema", metavar="FILE", help="a JSON Schema (drafts 2020-12, 7 and 4); - for standard input")
    parser.add_argument(
        "--reading",
        choices=("tight", "literal"),
        default="tight",
        help="how much of what the schema leaves open is made use of (default: tight)",
    )
    parser.add_argument(
        "--whitespace",
        type=_whitespace,
        default="spaced",
        metavar="LAYOUT",
        help="compact, spaced, flexible, or an indent in blanks (default: spaced)",
    )
    parser.add_argument(
        "--order",
        choices=("declared", "any"),
        default="declared",
        help="the order in which properties are written (default: declared)",
    )
    parser.add_argument(
        "--document",
        metavar="FILE",
        help="would this JSON be accepted as it is written, less a line break at its end? - for standard input",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def check_schema(options: argparse.Namespace, out: Console) -> int:
    """Print what of a JSON Schema is enforced, by what, and what is refused.

    Exit status: 0 where all of it is enforced (and the document accepted), 1 where it is not, 2 for wrong input.
    """
    from .schema_report import SchemaReport  # the front of the grammar, which the other commands do without

    if options.schema == options.document == "-":
        raise UsageError("expected the schema or the document from standard input, got - for both")
    constraint = JsonSchema(_read(options.schema), options.whitespace, options.reading, options.order)
    document = None if options.document is None else _read(options.document)
    report = SchemaReport.of(constraint, document)
    if options.json:
        out.print(json.dumps(_as_json(report), ensure_ascii=False))
    else:
        _show(report, out)
    return 0 if report.is_good else 1


def _whitespace(text: str) -> Whitespace:
    match text:
        case "compact" | "spaced" | "flexible":
            return text
        case _ if text.isdecimal() and len(text) < 4:
            return int(text)
    raise argparse.ArgumentTypeError(f"expected compact, spaced, flexible or an indent in blanks, got {text!r}")


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {name}: expected UTF-8, got {error.reason} at byte {error.start}") from error


def _show(report: "SchemaReport", out: Console) -> None:
    if report.refusal is None:
        out.print(Text("enforceable", "bold green"), Text(f": {report.engine}, {report.reason}", ""), sep="")
    else:
        out.print(Text("refused", "bold red"), Text("" if _is_listed(report) else f": {report.refusal}"), sep="")
        for entry in report.keywords:
            if entry.verdict == "refused":
                out.print(Text.assemble(f"  {_place(entry)}  ", (entry.keyword, "bold"), f": {entry.reason}"))
    for verdict, title, style in _SECTIONS:
        entries = [entry for entry in report.keywords if entry.verdict == verdict]
        if entries:
            out.print()
            out.print(Text(title, style))
            _show_places(entries, out)
    if report.document is not None:
        out.print()
        _show_document(report.document, out)


def _is_listed(report: "SchemaReport") -> bool:
    """Whether the refusal is one of the keywords that are shown."""
    return isinstance(report.refusal, UnsupportedSchema) and any(each.verdict == "refused" for each in report.keywords)


def _show_places(entries: "list[AuditEntry]", out: Console) -> None:
    """One line a place, with its keywords."""
    keywords: dict[str, list[str]] = {}
    for entry in entries:
        reason = f" ({entry.reason})" if entry.reason else ""
        keywords.setdefault(_place(entry), []).append(f"{entry.keyword}{reason}")
    width = min(max(map(len, keywords)), 60)
    for place, found in keywords.items():
        out.print(Text(f"  {place.ljust(width)}  {', '.join(found)}"))


def _show_document(document: "DocumentReport", out: Console) -> None:
    if document.is_accepted:
        out.print(Text("the document is accepted", "bold green"))
        return
    where = f", from line {document.line}, column {document.column} on"
    out.print(Text("the document is not accepted", "bold red"), Text(where), sep="")
    if document.invalid_because is not None:
        out.print(f"  {one_line(document.invalid_because)}")
    elif document.accepted_with is None:
        out.print("  it is valid by the schema, but not written as it would be generated under any of the options")
    else:
        flags = " ".join(f"{_OPTION_OF[name]} {value}" for name, value in document.accepted_with)
        out.print(f"  it is valid by the schema, and accepted with {flags}")


def _place(entry: "AuditEntry") -> str:
    return f"#{entry.pointer}"


def _as_json(report: "SchemaReport") -> dict[str, object]:
    refusal, document = report.refusal, report.document
    shown: dict[str, object] = {
        "enforceable": refusal is None,
        "engine": report.engine,
        "reason": report.reason,
        "error": None if refusal is None else {"type": type(refusal).__name__, "message": str(refusal)},
        "keywords": [
            {"pointer": each.pointer, "keyword": each.keyword, "verdict": each.verdict, "reason": each.reason}
            for each in report.keywords
        ],
    }
    if document is not None:
        with_options = None if document.accepted_with is None else dict(document.accepted_with)
        shown["document"] = {
            "accepted": document.is_accepted,
            "line": document.line,
            "column": document.column,
            "invalid_because": document.invalid_because,
            "accepted_with": with_options,
        }
    return shown
