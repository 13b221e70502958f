"""compile_template: a Jinja chat template -> something to render, in a sandbox."""

import json

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import ChatTemplateError


def compile_template(source: str) -> jinja2.Template:
    """Compile with the settings that model makers write for: trimmed blocks, `tojson`, `raise_exception`.

    The template reaches nothing but its arguments, and cannot change them. Raises `ChatTemplateError` where `source`
    is no template.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ChatTemplateError(
            f"the model's chat template is wrong in line {error.lineno}: {error.message}"
        ) from error


class _Generation(Extension):
    """`{% generation %}` marks, for training, what the assistant says; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012, the shape that jinja2 asks for

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it stands: Jinja's own filter escapes `<`, `>` and `&` for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
