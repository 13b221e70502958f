"""JSON decoding: descriptions of towns, each written as a record under a schema."""

import json

from workloads import Shape, Workload

from .size import ProgramSize

_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "country": {"type": "string", "maxLength": 20},
        "size": {"enum": ["small", "middle", "large"]},
        "inhabitants": {"type": "integer", "minimum": 0, "maximum": 9999999},
        "by_the_sea": {"type": "boolean"},
        "mayor": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 20},
                "age": {"type": "integer", "minimum": 18, "maximum": 99},
            },
            "required": ["name", "age"],
            "additionalProperties": False,
        },
        "known_for": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 2, "maxItems": 2},
    },
    "required": ["name", "country", "size", "inhabitants", "by_the_sea", "mayor", "known_for"],
    "additionalProperties": False,
}
_MAX_TOKENS = 160
_TOWNS = (
    "Velmar in Norway has 41000 inhabitants and a port. Its mayor, Mira Tolven, is 52. It is known for fish and boats.",
    "Daro Kesting, 38, is the mayor of Olmby, a large town of Denmark with 640000 people, known for beer and bicycles.",
    "Tessin, in Austria, far from the sea, has 3200 inhabitants, two churches and a market. Elin Varga (47) leads it.",
    "The port of Marosa in Spain: 185000 people, oranges, a carnival. The mayor is Ilka Romero, who is 61.",
    "Harvik is a village of 900 people on the coast of Iceland, with hot springs and wool. Its mayor, Jorun, is 29.",
    "In the north of Italy lies Sant Oro, with 72000 inhabitants, silk and violins. Pavo Lind, 55, is its mayor.",
    "Kelburn, Scotland, 15000 inhabitants, by a lake: known for glass and rain. Tobin Marsh, 66, is the mayor.",
    "Brody in Poland has 98000 inhabitants and lies in a plain. Sanna Orlik, 44, its mayor, likes its salt and bread.",
)


def make_json_decoding(size: ProgramSize) -> Workload:
    """A record a town."""
    towns = _TOWNS[: size.num_records]
    return Workload(
        "json_decoding",
        f"{len(towns)} records of nested JSON under a schema",
        Shape.EXTRACTION,
        "Write what the text says about the town as JSON.\n\n",
        towns,
        _MAX_TOKENS,
        schema=json.dumps(_SCHEMA),
    )
