"""Reading and encoding by several processes of this machine, each with a model of its own; this process writes.

A worker is a plain child that takes entries from its standard input and answers on its standard output, so that
programs need no `if __name__ == "__main__"`. One that dies is replaced, and its entries are given to the next; an entry
that two workers die of is a failure."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bouba.errors import BoubaError, MediaCorrupt, ModelError
from bouba.ingest.ahead import Read, Reading, Reads, ahead, batched
from bouba.ingest.encoding import Encoder, Setup, joined, portable
from bouba.ingest.entries import Entry
from bouba.ingest.report import Failure

CHUNK = 32  # entries that a worker is given at once
DEATHS = 2  # of workers, before their entries are suspected
_SERVE = "from bouba.ingest.workers import serve; serve()"


def by_processes(count: int, setup: Setup) -> Callable[[Reading], Reads]:
    """In the order of the entries."""

    def reads(run: Reading) -> Reads:
        crew = _Crew(setup)
        with ThreadPoolExecutor(count, "bouba-worker") as pool:  # a thread looks after one worker
            try:
                for chunk, results in ahead(pool, crew.read, batched(run.fresh(), CHUNK), 2 * count + 1):
                    for entry, read in zip(chunk, results, strict=True):
                        yield read if isinstance(entry, Failure) else joined(read, entry, run.reader)
            finally:
                crew.dismiss()
                pool.shutdown(wait=True, cancel_futures=True)

    return reads


class _Gone(Exception):
    """A worker ended before it had answered."""


class _Worker:
    def __init__(self, setup: Setup) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self.ask(setup)

    def ask(self, question: Setup | Sequence[Entry]) -> Any:
        """Raises what the worker raised, or _Gone."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            pickle.dump(question, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
            answer = pickle.load(self._process.stdout)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            self.end()
            raise _Gone(f"exit code {self._process.returncode}") from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


class _Crew:
    """The workers, one for each thread that asks."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: set[_Worker] = set()
        self._dismissed = False

    def read(self, chunk: list[Entry | Failure]) -> tuple[list[Entry | Failure], list[Read]]:
        entries = [entry for entry in chunk if isinstance(entry, Entry)]
        results = iter(self._encoded([portable(entry) for entry in entries]))
        return chunk, [entry if isinstance(entry, Failure) else next(results) for entry in chunk]

    def dismiss(self) -> None:
        with self._lock:
            self._dismissed = True
            for worker in self._all:
                worker.end()

    def _encoded(self, entries: Sequence[Entry]) -> list[Read]:
        for _ in range(DEATHS):
            if not entries:
                return []
            try:
                return list(self._worker().ask(entries))
            except _Gone as error:
                self._own.worker = None
                reason = str(error)
        if len(entries) == 1:
            entry = entries[0]
            words = f"{entry.name}: {DEATHS} worker processes ended while they read it ({reason})."
            return [Failure.of(entry.name, MediaCorrupt(words), entry.within)]
        half = len(entries) // 2
        return self._encoded(entries[:half]) + self._encoded(entries[half:])

    def _worker(self) -> _Worker:
        """Raises ModelError where none can be started."""
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            try:
                worker = _Worker(self._setup)
            except _Gone as error:
                raise ModelError(
                    f"A worker process ended as it started ({error}). Is there memory for so many? Use fewer --workers."
                ) from error
            self._own.worker = worker
            with self._lock:
                self._all.add(worker)
                if self._dismissed:
                    worker.end()
        return worker


def serve() -> None:
    """A worker's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that writes, which ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that nothing else is printed among the answers
    encoder: Encoder | None = None
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer: object = None
        try:
            if encoder is None:
                encoder = Encoder(question)
            else:
                answer = encoder.encode(question)
        except BoubaError as error:
            answer = error
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
