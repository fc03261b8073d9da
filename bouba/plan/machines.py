"""Which machines hold it, and what they cost a year."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

from bouba.errors import PlanError

HOURS = 24 * 365
FULL = 0.75  # of a machine's memory or disk, for there are peaks, an operating system and a next month


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    cores: int
    memory_gb: float
    hour: float  # US dollars
    disk_gb: float = 0.0  # NVMe inside; 0: a volume is rented


@dataclass(frozen=True, slots=True)
class Managed:
    """One kind of managed cluster."""

    name: str
    million_month: float  # US dollars for a million vectors of 768 dimensions
    dims: tuple[int, ...]
    per_unit: tuple[int, ...]  # vectors in a unit, by dimensions
    latency_ms: tuple[float, float]
    most_units: int
    source: str

    def capacity(self, dims: int) -> float:
        """Vectors in a unit: by the next larger number of dimensions that is told of, beyond by their bytes."""
        for known, count in zip(self.dims, self.per_unit, strict=True):
            if dims <= known:
                return count
        return self.per_unit[-1] * self.dims[-1] / dims

    def year(self, items: int, dims: int) -> float:
        return items / 1e6 * self.million_month * 12 * self.capacity(768) / self.capacity(dims)


@dataclass(frozen=True, slots=True)
class Prices:
    date: str
    source: str
    volume_gb_month: float
    object_gb_month: float
    machines: tuple[Machine, ...]
    managed: tuple[Managed, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many machines of one kind."""

    machine: Machine
    count: int
    year: float  # US dollars, with volumes

    def __str__(self) -> str:
        return f"{self.count} x {self.machine.name}"


def cheapest(
    prices: Prices,
    memory_bytes: float,
    disk_bytes: float,
    *,
    most: int | None = None,
    least_gb: float = 0.0,
    local_disk: bool = False,
) -> Fleet | None:
    """The cheapest number of machines of one kind, `most` at most, of `least_gb` of memory each, that hold it together;
    None if none do. `local_disk`: what is on disk is read at every search; what memory does not cache needs NVMe in the
    machine."""
    fleets = []
    for machine in prices.machines:
        if machine.memory_gb < least_gb:
            continue
        count = max(1, ceil(memory_bytes / (machine.memory_gb * 1e9 * FULL)))
        cached = memory_bytes + disk_bytes <= count * machine.memory_gb * 1e9 * FULL
        if local_disk and not machine.disk_gb and not cached:
            continue
        volume = disk_bytes / 1e9 / FULL
        if machine.disk_gb:
            count, volume = max(count, ceil(volume / machine.disk_gb)), 0.0
        if most is None or count <= most:
            fleets.append(Fleet(machine, count, count * machine.hour * HOURS + volume * prices.volume_gb_month * 12))
    return min(fleets, key=lambda fleet: fleet.year, default=None)


def read_prices(path: Path | None = None) -> Prices:
    """From a file, or those that bouba ships. Raises PlanError."""
    source = path or files("bouba.plan") / "prices.toml"
    try:
        record = tomllib.loads(source.read_text(encoding="utf-8"))
        machines = tuple(Machine(**one) for one in record["machine"])
        managed = tuple(_managed(name, record["zilliz"]) for name in ("performance", "capacity", "tiered"))
        costs = {name: float(record[name]) for name in ("volume_gb_month", "object_gb_month")}
        if not machines:
            raise ValueError("no machine")
        return Prices(str(record["date"]), str(record["source"]), machines=machines, managed=managed, **costs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlanError(
            f"{source} is no price list ({type(error).__name__}: {error}). Copy {files('bouba.plan') / 'prices.toml'} "
            "and change its figures."
        ) from error


def _managed(name: str, record: dict[str, Any]) -> Managed:
    one, latency = record[name], record[name]["latency_ms"]
    return Managed(
        name,
        float(one["million_768_month"]),
        tuple(map(int, record["dims"])),
        tuple(map(int, one["per_unit"])),
        (float(latency[0]), float(latency[1])),
        int(record["most_units"]),
        str(record["source"]),
    )
