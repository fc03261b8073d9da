"""From what is wanted to what it takes: every choice with its figures, and the cheapest that will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from bouba.errors import PlanError
from bouba.plan.curves import FAR, SPREAD, Curve, Range, read_curves
from bouba.plan.engines import CLUSTER_MEMORY, ENGINES, Engine, stored_length
from bouba.plan.machines import FULL, Fleet, Managed, Prices, cheapest, read_prices

MOST_ITEMS = 10**11
# What one Milvus server holds; more is spread over a cluster. The items are those that Milvus names:
# https://milvus.io/docs/install_milvus.md
STANDALONE_ITEMS, STANDALONE_BYTES = 100_000_000, 256e9
UNTOLD = 1.5  # how far above the formula an index may be that was not measured
NODE_GB = 64  # of memory of a cluster's nodes, at least


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted. Raises PlanError where it makes no sense."""

    items: int
    p95_ms: float = 100.0
    recall: float = 0.95  # at 10, against an exact search
    dims: int = 512

    def __post_init__(self) -> None:
        if not 1 <= self.items <= MOST_ITEMS:
            raise PlanError(f"{self.items:,} items cannot be planned: give 1 to {MOST_ITEMS:,}, as in 10M.")
        if not 0 < self.recall <= 1:
            raise PlanError(f"recall {self.recall} is none: it is a share between 0 and 1, as 0.95.")
        if not self.p95_ms > 0 or not 8 <= self.dims <= 8192:
            raise PlanError(f"p95 {self.p95_ms} ms and {self.dims} dimensions: give a time above 0, and 8 to 8192.")


@dataclass(frozen=True, slots=True)
class Option:
    """One choice with what it takes."""

    name: str
    uri: str
    memory_bytes: Range
    disk_bytes: Range
    p95_ms: Range | None  # None: neither measured nor published
    recall: Range | None
    build_s: Range | None
    machines: str
    year: float | None  # US dollars; None: no machine holds it
    basis: str  # where latency and recall come from
    notes: tuple[str, ...]
    durable: bool
    embedded: bool
    measured: bool  # here, not by others
    formula: str  # of bytes a vector, where n is the length of a stored row
    guess: bool  # far beyond the sizes that were measured

    def meets(self, wish: Wish, *, likely: bool = False) -> bool:
        """With the far end of its ranges, or with what is likely."""
        if self.year is None or self.p95_ms is None or self.recall is None or not self.durable:
            return False
        if likely:
            return self.p95_ms.likely <= wish.p95_ms and self.recall.likely >= wish.recall
        return not self.guess and self.p95_ms.high <= wish.p95_ms and self.recall.low >= wish.recall

    def to_dict(self) -> dict[str, Any]:
        ranges = ("memory_bytes", "disk_bytes", "p95_ms", "recall", "build_s")
        found = {name: getattr(self, name) for name in ranges}
        return {
            "name": self.name,
            "uri": self.uri,
            **{name: one.to_dict() if one else None for name, one in found.items()},
            "machines": self.machines,
            "usd_year": None if self.year is None else round(self.year),
            "formula": self.formula,
            "basis": self.basis,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """All choices, and which of them is recommended."""

    wish: Wish
    options: tuple[Option, ...]
    best: Option | None  # the cheapest that meets the wish; None: none does for sure
    item: Mapping[str, float]  # of every item beside its vector
    prices: str  # source and date

    @property
    def beside_bytes(self) -> float:
        """Thumbnails and what is known of files, on the machine where galleries are added to."""
        return self.wish.items * self.item["ledger_bytes"]

    @property
    def encoding_days(self) -> float:
        """Of one machine like that of the measurement."""
        return self.wish.items / self.item["encoded_per_s"] / 86_400

    def to_dict(self) -> dict[str, Any]:
        wish = {name: getattr(self.wish, name) for name in ("items", "p95_ms", "recall", "dims")}
        return {
            "wish": wish,
            "recommended": self.best.name if self.best else None,
            "options": [option.to_dict() for option in self.options],
            "ledger_bytes": round(self.beside_bytes),
            "encoding_machine_days": round(self.encoding_days, 2),
            "prices": self.prices,
        }


def plan(wish: Wish, *, curves: Path | None = None, prices: Path | None = None) -> Plan:
    """Every choice with its figures. Raises PlanError for files that cannot be read."""
    known, item = read_curves(curves)
    listed = read_prices(prices)
    options = [_option(engine, _curve(engine, known), wish, listed) for engine in ENGINES]
    options += [_managed(one, wish) for one in listed.managed]
    return Plan(wish, tuple(options), _best(options, wish), item, f"{listed.source} ({listed.date})")


def _best(options: Sequence[Option], wish: Wish) -> Option | None:
    """The cheapest that does it for sure by what was measured; else by what is published; else that likely does it."""
    sure = [option for option in options if option.meets(wish)]
    likely = [option for option in options if option.measured and option.meets(wish, likely=True)]
    for good in ([option for option in sure if option.measured], sure, likely):
        if good:
            return min(good, key=lambda option: option.year or 0.0)
    return None


def _curve(engine: Engine, curves: Sequence[Curve]) -> Curve | None:
    return next((one for one in curves if (one.store, one.index) == (engine.store, engine.index)), None)


def _option(engine: Engine, curve: Curve | None, wish: Wish, prices: Prices) -> Option:
    memory, disk = (taken(engine, curve, name, wish) for name in ("rss_bytes", "disk_bytes"))
    fleet, nodes, notes = _fleet(engine, wish.items, memory, disk, prices)
    share = wish.items / nodes
    guess = curve is not None and share > FAR * curve.largest
    if curve and guess:
        notes += (f"{share / curve.largest:,.0f} times as many items as were measured: a guess.",)
    p95, recall, basis = _told(engine, curve, share, wish.dims)
    return Option(
        name=engine.name,
        uri=engine.uri,
        memory_bytes=memory,
        disk_bytes=disk,
        p95_ms=p95,
        recall=recall,
        build_s=curve.at("build_s", share) if curve else None,
        machines=_named(fleet, nodes),
        year=fleet.year if fleet else None,
        basis=basis,
        notes=notes,
        durable=engine.durable,
        embedded=engine.embedded,
        measured=curve is not None,
        formula=engine.formula,
        guess=guess,
    )


def taken(engine: Engine, curve: Curve | None, name: str, wish: Wish) -> Range:
    """Bytes in all. The formula of bytes a vector and what was measured of one are the two ends of the range."""
    formula, base = (engine.memory, engine.base) if name == "rss_bytes" else (engine.disk, 0.0)
    length = stored_length(wish.dims)
    told = formula(length)
    found = curve.bytes_each(name) if curve else None
    if curve is None or found is None:
        return Range(*(base + told * wish.items * share for share in (1.0, 1.0, UNTOLD)))
    base, each = found
    each *= told / formula(stored_length(curve.dim))
    ends = min(each, told), each, max(each, told) * SPREAD
    bases = base / SPREAD, base, base * SPREAD
    return Range(*(fixed + one * wish.items for fixed, one in zip(bases, ends, strict=True)))


def _fleet(
    engine: Engine, items: int, memory: Range, disk: Range, prices: Prices
) -> tuple[Fleet | None, int, tuple[str, ...]]:
    """What holds it, over how many nodes the items are spread, and what is to be known of that."""
    need = memory.high
    if engine.machines == 1 or (items <= STANDALONE_ITEMS and need <= STANDALONE_BYTES * FULL):
        fleet = cheapest(prices, need, disk.high, most=1, local_disk=engine.local_disk)
        if fleet or engine.machines == 1:
            return fleet, 1, () if fleet else ("No one machine of the list holds it.",)
    fleet = cheapest(prices, need, disk.high, least_gb=NODE_GB, local_disk=engine.local_disk)
    control = cheapest(prices, CLUSTER_MEMORY, 0.0, least_gb=NODE_GB)
    if fleet is None or control is None:
        return None, 1, ("No machines of the list hold it.",)
    stored = disk.likely / 1e9 * prices.object_gb_month * 12
    note = f"A cluster: {control} for coordinators, log and object store (${control.year:,.0f}) among it."
    return Fleet(fleet.machine, fleet.count, fleet.year + control.year + stored), fleet.count, (note,)


def _named(fleet: Fleet | None, nodes: int) -> str:
    if fleet is None:
        return "none"
    gb = f"{fleet.machine.memory_gb:,.0f} GB, {fleet.machine.cores} cores"
    return f"{fleet} ({gb}{' each' if fleet.count > 1 else ''})" + (" + cluster" if nodes > 1 else "")


def _told(engine: Engine, curve: Curve | None, items: float, dims: int) -> tuple[Range | None, Range | None, str]:
    """p95, recall, and where they come from."""
    if curve is not None:
        longer = max(1.0, dims / curve.dim)  # fewer dimensions are taken to be no faster
        basis = f"measured to {curve.largest:,} items, {curve.measured}: {curve.command}"
        return curve.at("p95_ms", items).times(longer), curve.recall(items), basis
    if engine.published is not None:
        return (
            engine.published.p95_ms,
            engine.published.recall,
            f"published: {engine.published.says}: {engine.published.source}",
        )
    return None, None, "neither measured nor published: time and recall depend on its settings"


def _managed(one: Managed, wish: Wish) -> Option:
    units = ceil(wish.items / one.capacity(wish.dims))
    low, high = one.latency_ms
    over = units > one.most_units
    notes = (f"{units} units; a cluster can have {one.most_units}.",) if over else ()
    return Option(
        name=f"Zilliz Cloud {one.name}",
        uri="milvus://HOST/NAME?token=...",
        memory_bytes=Range(0, 0, 0),
        disk_bytes=Range(0, 0, 0),
        p95_ms=Range(low, high, high),
        recall=None,
        build_s=None,
        machines=f"{units} unit{'s' if units > 1 else ''}",
        year=None if over else one.year(wish.items, wish.dims),
        basis=f"published: {one.source}",
        notes=notes,
        durable=True,
        embedded=False,
        measured=False,
        formula="",
        guess=False,
    )
