"""Generation cases: the schemas that are generated from, of our own set and of the JSON-Schema-Test-Suite."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schema_set.catalogue import REAL_WORLD, SCHEMAS


@dataclass(frozen=True)
class Case:
    """One schema; `group` is the line of the table that it counts in."""

    group: str
    name: str
    schema: str

    @property
    def is_real_world(self) -> bool:
        """Whether programs in use have it."""
        return self.name in _REAL_WORLD


_REAL_WORLD = frozenset(REAL_WORLD)


def own_cases() -> list[Case]:
    """Those of `schema_set`, in its groups."""
    return [Case(name.partition("/")[0], name, json.dumps(schema)) for name, schema in SCHEMAS.items()]


def suite_cases(folder: Path) -> list[Case]:
    """The schemas of the suite's draft in `folder`, each once, in groups by file; none where there is no such folder.

    Left out are those that the suite has no valid instance of: most of them nothing is valid by.
    """
    if not folder.is_dir():
        return []
    return list(_suite_cases(folder))


def _suite_cases(folder: Path) -> Iterator[Case]:
    seen: set[str] = set()
    for path in sorted(folder.glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            text = json.dumps(group["schema"])
            if text not in seen and any(test["valid"] for test in group["tests"]):
                seen.add(text)
                yield Case(f"suite {path.stem}", f"{path.stem}: {group['description']}", text)
