"""All schemas, under names that say where each is written."""

from . import agents, configurations, extraction, hard, records, trivial, web_interfaces
from .parts import Schema

_GROUPS = {
    "trivial": trivial.SCHEMAS,
    "extraction": extraction.SCHEMAS,
    "agents": agents.SCHEMAS,
    "web": web_interfaces.SCHEMAS,
    "configurations": configurations.SCHEMAS,
    "records": records.SCHEMAS,
    "hard": hard.SCHEMAS,
}

SCHEMAS: dict[str, Schema] = {
    f"{group}/{name}": schema for group, schemas in _GROUPS.items() for name, schema in schemas.items()
}
"""By `group/name`."""
REAL_WORLD = [name for name in SCHEMAS if not name.startswith(("trivial/", "hard/"))]
"""Those that programs in use have; the trivial and the hard ones are here for the ends of the scale."""
