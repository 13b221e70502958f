"""ServerMetrics: the server's own counters and timings, with the engine's, in a registry of their own."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .metric_table import (
    ABORTS,
    ENGINE_METRICS,
    ENGINE_RESTARTS,
    ENGINE_UP,
    FIRST_TOKEN_SECONDS,
    FORCED_TOKENS,
    GENERATED_TOKENS,
    GENERATIONS,
    HTTP_RESPONSES,
    INTER_TOKEN_SECONDS,
    KV_USE,
    LABEL_VALUES,
    OPEN_BRANCHES,
    OPERATIONS_RUNNING,
    PREFIX_HIT_TOKENS,
    PROMPT_TOKENS,
    QUEUE_SECONDS,
    REQUEST_SECONDS,
    SPEC_ACCEPT_LENGTH,
    TOOL_CALLS,
    MetricSpec,
)

EngineStats = Mapping[str, int | float]


class ServerMetrics:
    """One server's metrics. Touched by its event loop alone; a scrape gives the engine's numbers in."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._engine = _EngineCollector()
        self._registry.register(self._engine)
        self.open_branches = self._gauge(OPEN_BRANCHES)
        self.running_requests = self._gauge(OPERATIONS_RUNNING)
        self.prompt_tokens = self._counter(PROMPT_TOKENS)
        self.prefix_hit_tokens = self._counter(PREFIX_HIT_TOKENS)
        self.generated_tokens = self._counter(GENERATED_TOKENS)
        self.forced_tokens = self._counter(FORCED_TOKENS)
        self.generations = self._counter(GENERATIONS)
        self.aborts = self._counter(ABORTS)
        self.tool_calls = self._counter(TOOL_CALLS)
        self.http_responses = self._counter(HTTP_RESPONSES)
        self.queue_seconds = self._histogram(QUEUE_SECONDS)
        self.first_token_seconds = self._histogram(FIRST_TOKEN_SECONDS)
        self.inter_token_seconds = self._histogram(INTER_TOKEN_SECONDS)
        self.request_seconds = self._histogram(REQUEST_SECONDS)

    def render(self, stats: EngineStats | None, num_restarts: int = 0) -> bytes:
        """All metrics in Prometheus' text format. `stats`: of the engine; None: it does not answer."""
        self._engine.stats = stats
        self._engine.num_restarts = num_restarts
        return generate_latest(self._registry)

    def value(self, spec: MetricSpec, **labels: str) -> float:
        """What a counter or gauge of the server says now."""
        name = f"{spec.name}_total" if spec.kind == "counter" else spec.name
        value = self._registry.get_sample_value(name, labels)
        assert value is not None, (spec.name, labels)
        return value

    def _gauge(self, spec: MetricSpec) -> Gauge:
        return Gauge(spec.name, spec.help, registry=self._registry)

    def _counter(self, spec: MetricSpec) -> Counter:
        counter = Counter(spec.name, spec.help, spec.labels, registry=self._registry)
        for label in spec.labels:
            for value in LABEL_VALUES.get(label, ()):
                counter.labels(**{label: value})
        return counter

    def _histogram(self, spec: MetricSpec) -> Histogram:
        return Histogram(spec.name, spec.help, buckets=spec.buckets, registry=self._registry)


class _EngineCollector(Collector):
    """Shows the engine's numbers as they were when they were last asked for; nothing where it does not answer."""

    def __init__(self) -> None:
        self.stats: EngineStats | None = None
        self.num_restarts = 0

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(ENGINE_UP.name, ENGINE_UP.help, 0 if self.stats is None else 1)
        yield CounterMetricFamily(ENGINE_RESTARTS.name, ENGINE_RESTARTS.help, self.num_restarts)
        if self.stats is None:
            return
        for spec in ENGINE_METRICS:
            assert spec.stats_key is not None, spec.name
            kind = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = kind(spec.name, spec.help, labels=spec.labels)
            for value in LABEL_VALUES[spec.labels[0]] if spec.labels else [None]:
                key = spec.stats_key if value is None else f"{spec.stats_key}_{value}"
                family.add_metric([] if value is None else [value], self.stats[key] * spec.scale)
            yield family
        accept_length = self.stats["num_verified_tokens"] / max(1, self.stats["num_verifications"])
        yield GaugeMetricFamily(SPEC_ACCEPT_LENGTH.name, SPEC_ACCEPT_LENGTH.help, accept_length)
        yield GaugeMetricFamily(KV_USE.name, KV_USE.help, 1 - self.stats["num_free_pages"] / self.stats["num_pages"])
