"""Result files: where a benchmark writes its figures."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write_result(name_or_path: str, result: dict[str, Any]) -> Path:
    """Write figures as JSON to a path, or, given a bare name, to results/NAME.json; returns the path."""
    path = Path(name_or_path)
    if path.name == name_or_path and not path.suffix:
        path = RESULTS / f"{name_or_path}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
