"""What Prometheus reads: a registry for each app, so that two in one process do not add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

from bouba.errors import BoubaError

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from bouba.server.galleries import Served
    from bouba.server.work import Lane

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """`bouba_*`; what counts and what is measured, docs/server.md says."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.requests = Counter("bouba_requests", "Requests answered.", ["method", "route", "status"], registry=own)
        self.seconds = Histogram(
            "bouba_request_seconds", "Until the answer was sent.", ["route"], buckets=SECONDS, registry=own
        )
        self.in_flight = Gauge("bouba_requests_in_flight", "Requests that are being answered.", registry=own)
        self.searches = Histogram(
            "bouba_search_seconds", "Of a search, encoding left out.", ["gallery"], buckets=SECONDS, registry=own
        )
        self._batches = Histogram(
            "bouba_batch_size", "Inputs encoded together.", ["tower"], buckets=SIZES, registry=own
        )
        self._encodes = Histogram("bouba_encode_seconds", "Of one batch.", ["tower"], buckets=SECONDS, registry=own)

    def encoded(self, tower: str, size: int, seconds: float) -> None:
        """A batch was."""
        self._batches.labels(tower).observe(size)
        self._encodes.labels(tower).observe(seconds)

    def watch(self, lanes: Iterable[Lane], galleries: Mapping[str, Served]) -> None:
        """What is not counted but looked up when somebody asks."""
        self.registry.register(_Levels(list(lanes), galleries))

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)


class _Levels:
    """How full the lanes and the galleries are."""

    def __init__(self, lanes: list[Lane], galleries: Mapping[str, Served]) -> None:
        self._lanes, self._galleries = lanes, galleries

    def describe(self) -> Iterable[Metric]:
        """Without asking the stores, which registering would do otherwise."""
        return []

    def collect(self) -> Iterable[Metric]:
        running = GaugeMetricFamily("bouba_running", "Work that threads do.", labels=["lane"])
        waiting = GaugeMetricFamily("bouba_waiting", "Work that waits for a thread.", labels=["lane"])
        for lane in self._lanes:
            running.add_metric([lane.name], lane.running)
            waiting.add_metric([lane.name], lane.waiting)
        items = GaugeMetricFamily(
            "bouba_items", "Pictures in a gallery; none where it does not answer.", labels=["gallery"]
        )
        for name, served in self._galleries.items():
            try:
                items.add_metric([name], served.gallery.count())
            except BoubaError:
                continue
        yield from (running, waiting, items)
