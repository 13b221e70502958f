"""Writes docs/metrics.md from the table of metrics: `python docs/generate_metrics.py`."""

from collections.abc import Iterator
from pathlib import Path

from palmette.runtime.server.metrics.metric_table import LABEL_VALUES, METRICS, OPEN_LABELS, MetricSpec

PAGE = Path(__file__).parent / "metrics.md"

_GROUPS = {
    "queue": "Queue and steps",
    "latency": "Latency",
    "tokens": "Tokens",
    "cache": "Cache and memory",
    "speculation": "Speculation",
    "constraints": "Constraints",
    "outcomes": "Outcomes",
}

_HEAD = """# Metrics

`GET /metrics` of a server gives these, in Prometheus' text format. This page is made from the table that the server
itself uses (`runtime/server/metrics/metric_table.py`); `examples/monitoring` has a Grafana dashboard over them.

Numbers of the engine are read from it at each scrape; where it does not answer within two seconds, they are left out
and `palmette_engine_up` is 0. Times are those of the server: what a client sees, less the network.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for group, title in _GROUPS.items():
        yield f"## {title}\n"
        yield "| metric | kind | what it counts |"
        yield "|---|---|---|"
        for spec in sorted(METRICS, key=lambda each: each.name):
            if spec.group == group:
                yield f"| `{_name(spec)}` | {spec.kind} | {spec.help}{_labels(spec)} |"
        yield ""
    yield "A histogram has `_bucket`, `_sum` and `_count`."


def _name(spec: MetricSpec) -> str:
    return f"{spec.name}_total" if spec.kind == "counter" else spec.name


def _labels(spec: MetricSpec) -> str:
    return "".join(f" By `{label}`: {_values(label)}." for label in spec.labels)


def _values(label: str) -> str:
    return OPEN_LABELS.get(label) or ", ".join(f"`{value}`" for value in LABEL_VALUES[label])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
