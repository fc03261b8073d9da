"""Reading and encoding by a Ray cluster; this process lists, writes and keeps the ledger.

Ray Data streams: tasks read and decode, a pool of actors encodes, and neither gets further ahead than the object store
holds. A task or actor that is killed is started again by Ray with the same input, whose results count once: what comes
back is matched by content hash like all else. Nothing that a task looks at changes meanwhile (so no ledger), as Ray
takes the second answer to be the same as the first."""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from bouba.errors import BoubaError, MediaCorrupt, QueryError, StoreUnavailable
from bouba.ingest.ahead import Read, Reading, Reads, batched
from bouba.ingest.encoding import Setup, checked_model, encoded, joined, light, portable
from bouba.ingest.entries import Entry, Packed
from bouba.ingest.reading import Reader
from bouba.ingest.report import Failure
from bouba.stores.ledger import Ledger

if TYPE_CHECKING:
    from ray.data import Dataset

    from bouba.encoders import Model

CHUNK = 32  # pictures that are decoded and encoded together
LOOSE = 256  # of those that lie in no packed file, the work of one task
ROUND = 1_000  # tasks that Ray is given at once: a bound on what it must keep of them
BLOCK_BYTES = 32 * 2**20  # of decoded pictures that pass from a task to an actor
RETRIES = 3  # of a task whose process was killed
OBJECT_STORE_BYTES = 400 * 2**20  # of a local cluster
_Row = dict[str, Any]
_models: dict[str, Model] = {}


@dataclass(frozen=True, slots=True)
class Work:
    """Of one task: some entries, or a packed file but for what is known of it."""

    number: int
    name: str
    entries: tuple[Entry, ...] = ()
    packed: Packed | None = None
    known: frozenset[str] = frozenset()  # paths


@dataclass(frozen=True, slots=True)
class Done:
    """A part of what became of some work; parts come back in any order."""

    number: int  # of the work
    part: int
    last: bool
    entries: tuple[Entry | Failure, ...] = ()
    reads: tuple[Read, ...] = ()
    error: BoubaError | None = None  # that ends the run


@dataclass(slots=True)
class _Waiting:
    """For the parts of some work."""

    work: Work
    received: int = 0
    parts: int = -1  # nobody knows yet

    def take(self, done: Done) -> bool:
        """Whether that was all."""
        self.received += 1
        self.parts = done.part + 1 if done.last else self.parts
        return self.received == self.parts


def by_ray(address: str, workers: int | None, setup: Setup) -> Callable[[Reading], Reads]:
    """In no stated order. `workers`: actors that encode, by default half as many as the cluster has CPUs."""

    def reads(run: Reading) -> Reads:
        with _connected(address, workers) as cpus:
            actors = workers or max(1, cpus // 2)
            if actors >= cpus:
                raise QueryError(
                    f"{actors} workers that encode leave none of the {cpus} CPUs of the cluster to decode. Use fewer."
                )
            todo = _work(run)
            while part := _up_to(todo, ROUND):
                yield from (one for one in part if isinstance(one, Failure))
                yield from _round(run, [one for one in part if isinstance(one, Work)], actors, setup)

    return reads


def _work(run: Reading) -> Iterator[Work | Failure]:
    number = 0
    loose: list[Entry | Failure] = []
    for source in run.listing:
        if isinstance(source, Entry | Failure):
            loose.append(source)
        elif not run.settled(source):
            number += 1
            yield Work(number, source.blob.name, packed=source, known=run.begin(source))
        if len(loose) >= LOOSE:
            number += 1
            yield from _loose(run, loose, number)
            loose = []
    yield from _loose(run, loose, number + 1)


def _loose(run: Reading, sources: Sequence[Entry | Failure], number: int) -> Iterator[Work | Failure]:
    fresh = list(run.fresh(sources))
    yield from (one for one in fresh if isinstance(one, Failure))
    entries = tuple(portable(one) for one in fresh if isinstance(one, Entry))
    if entries:
        yield Work(number, f"{entries[0].name} and {len(entries) - 1:,} more", entries)


def _up_to(values: Iterator[Any], count: int) -> list[Any]:
    return next(batched(values, count), [])


def _round(run: Reading, todo: Sequence[Work], actors: int, setup: Setup) -> Reads:
    waiting = {work.number: _Waiting(work) for work in todo}
    for done in _executed(todo, actors, setup):
        if done.error:
            raise done.error
        packed = waiting[done.number].work.packed
        if packed:
            run.shelf.listed(packed, len(done.entries))
        for entry, read in zip(done.entries, done.reads, strict=True):
            yield read if isinstance(entry, Failure) else joined(read, entry, run.reader)
        if waiting[done.number].take(done):
            del waiting[done.number]
            if packed:
                run.shelf.end(packed)
    for lost in waiting.values():
        name = lost.work.name
        words = f"{name}: {RETRIES + 1} processes of the cluster ended while they read it. Run it again to go on."
        yield Failure.of(name, MediaCorrupt(words))


def _executed(todo: Sequence[Work], actors: int, setup: Setup) -> Iterator[Done]:
    """What comes back, as it comes; work whose process was killed too often does not, or only in parts."""
    import ray

    if not todo:
        return
    with _quiet_context():
        try:
            for row in _planned(todo, actors, setup).iter_rows():
                yield pickle.loads(row["done"])
        except ray.exceptions.RayError as error:
            words = " ".join(str(error).split())[:300]
            raise StoreUnavailable(
                f"The Ray cluster gave up: {words}. Run it again, it goes on where it was."
            ) from error


def _planned(todo: Sequence[Work], actors: int, setup: Setup) -> Dataset:
    import ray.data

    rows = [{"work": pickle.dumps(work)} for work in todo]
    pool = ray.data.ActorPoolStrategy(min_size=actors, max_size=actors)
    with warnings.catch_warnings():
        # The only way to bound the retries: by default a picture that kills its process would be read for ever.
        warnings.simplefilter("ignore", ray.util.annotations.RayDeprecationWarning)
        decoded = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            cast("Any", decode), batch_size=1, fn_args=[setup], num_cpus=1, max_retries=RETRIES
        )
        return decoded.map_batches(
            Encode, batch_size=1, fn_constructor_args=[setup], num_cpus=1, compute=pool, max_task_retries=RETRIES
        )


def decode(batch: _Row, setup: Setup) -> Iterator[_Row]:
    """A task: one Work -> decoded pictures, in parts."""
    (row,) = batch["work"]
    work: Work = pickle.loads(row)
    try:
        reader = Reader(_model(setup), Ledger(None), setup.fetch)
    except BoubaError as error:
        yield _row(Done(work.number, 0, last=True, error=error))
        return
    parts = batched(_entries(work), CHUNK)
    entries: list[Entry | Failure] | None = next(parts, [])
    number = 0
    while entries is not None:
        following = next(parts, None)
        reads = tuple(one if isinstance(one, Failure) else _slim(reader.read(one)) for one in entries)
        yield _row(Done(work.number, number, following is None, tuple(map(light, entries)), reads))
        entries, number = following, number + 1


class Encode:
    """An actor: decoded pictures -> vectors."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def __call__(self, batch: _Row) -> _Row:
        (row,) = batch["done"]
        done: Done = pickle.loads(row)
        try:
            return _row(replace(done, reads=tuple(encoded(_model(self._setup), done.reads))))
        except BoubaError as error:
            return _row(replace(done, entries=(), reads=(), error=error))


def _row(done: Done) -> _Row:
    return {"done": [pickle.dumps(done, pickle.HIGHEST_PROTOCOL)]}


def _slim(read: Read) -> Read:
    """Without its entry, which is sent once, beside it."""
    return read if isinstance(read, Failure) else replace(read, entry=Entry(b""))


def _entries(work: Work) -> Iterator[Entry | Failure]:
    if work.packed is None:
        yield from work.entries
        return
    try:
        yield from (one for one in work.packed.entries() if isinstance(one, Failure) or one.path not in work.known)
    except BoubaError as error:
        yield Failure.of(work.name, error, work.name)


def _model(setup: Setup) -> Model:
    """One for each process, whatever tasks it is given."""
    if setup.fingerprint not in _models:
        _models.clear()
        _models[setup.fingerprint] = checked_model(setup)
    return _models[setup.fingerprint]


@contextmanager
def _connected(address: str, workers: int | None) -> Iterator[int]:
    """How many CPUs the cluster has; one that was started for this ends with it."""
    try:
        import ray
    except ImportError as error:
        raise QueryError("Ray is not installed: pip install 'bouba[ray]'.") from error
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's new default, else it warns
    own = not ray.is_initialized()
    if own:
        _start(address, workers)
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield int(resources.get("CPU", 0))
    finally:
        if own:
            ray.shutdown()


def _start(address: str, workers: int | None) -> None:
    import ray

    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == "local":
            cpus = max(2, os.cpu_count() or 1, (workers or 0) + 1)
            ray.init(num_cpus=cpus, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())[:200]
        raise StoreUnavailable(
            f"There is no Ray cluster at {address} ({words}). Start one with `ray start --head`, or use --ray local."
        ) from error


@contextmanager
def _quiet_context() -> Iterator[None]:
    from ray.data import DataContext

    context = DataContext.get_current()
    before = (context.enable_progress_bars, context.target_max_block_size, context.max_errored_blocks)
    context.enable_progress_bars, context.target_max_block_size, context.max_errored_blocks = False, BLOCK_BYTES, -1
    level = logging.getLogger("ray.data").level
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars, context.target_max_block_size, context.max_errored_blocks = before
        logging.getLogger("ray.data").setLevel(level)
