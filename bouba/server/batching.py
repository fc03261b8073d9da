"""Encodes that threads ask for at the same time, answered from one batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from bouba.encoders import Model
from bouba.narrow import NarrowModel, narrowed

if TYPE_CHECKING:
    from bouba.types import Pixels, Vectors

MOST_TEXTS, MOST_PICTURES = 32, 8  # of a batch: more gain little, and the first in it waits longer
ALONE = 1

Seen = Callable[[str, int, float], None]  # tower, inputs of a batch, seconds that it took
_In = TypeVar("_In")


class Spent(threading.local):
    """How long this thread has waited for encodes."""

    seconds = 0.0


spent = Spent()


class Batcher(Generic[_In]):
    """Calls with inputs [n] that come while another runs wait for its end, and are the next batch together, as a group
    commit does with a log. So a lone call never waits for company, and batches grow with the load by themselves.

    The thread of a batch's first call runs it; there is no thread of its own to fail or to be stopped."""

    def __init__(self, run: Callable[[Sequence[_In]], Vectors], most: int, seen: Callable[[int, float], None]) -> None:
        self._run, self._most, self._seen = run, most, seen
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: list[_Call[_In]] = []

    def __call__(self, inputs: Sequence[_In]) -> Vectors:
        """Raises what running these inputs raises: a bad one fails no other call of its batch."""
        started = time.perf_counter()
        try:
            if len(inputs) >= self._most:  # a batch already
                return self._timed(inputs)
            return self._together(_Call(inputs))
        finally:
            spent.seconds += time.perf_counter() - started

    def _together(self, call: _Call[_In]) -> Vectors:
        with self._lock:
            if self._busy:
                self._waiting.append(call)
            else:
                self._busy, call.batch = True, [call]
        if not call.batch:
            call.turn.wait()
        if call.batch:
            try:
                self._answer(call.batch)
            finally:
                self._hand_over()
                for other in call.batch[1:]:
                    other.turn.set()
        return call.answer()

    def _answer(self, batch: Sequence[_Call[_In]]) -> None:
        inputs = [one for call in batch for one in call.inputs]
        try:
            vectors = self._timed(inputs)
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for call in batch:  # which of them it was
                self._answer([call])
            return
        start = 0
        for call in batch:
            call.vectors = vectors[start : start + len(call.inputs)]
            start += len(call.inputs)

    def _hand_over(self) -> None:
        """The first call that waits runs the next batch."""
        with self._lock:
            batch = self._next()
            self._busy = bool(batch)
        if batch:
            batch[0].batch = batch
            batch[0].turn.set()

    def _next(self) -> list[_Call[_In]]:
        count, inputs = 0, 0
        for call in self._waiting:
            inputs += len(call.inputs)
            if count and inputs > self._most:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _timed(self, inputs: Sequence[_In]) -> Vectors:
        started = time.perf_counter()
        vectors = self._run(inputs)
        self._seen(len(inputs), time.perf_counter() - started)
        return vectors


class _Call(Generic[_In]):
    """Inputs of one thread, and what became of them."""

    def __init__(self, inputs: Sequence[_In]) -> None:
        self.inputs = inputs
        self.turn = threading.Event()  # it is answered, or it is to run `batch`
        self.batch: list[_Call[_In]] = []
        self.vectors: Vectors | None = None
        self.error: Exception | None = None

    def answer(self) -> Vectors:
        if self.error is not None:
            raise self.error
        assert self.vectors is not None
        return self.vectors


class BatchedModel(Model):
    """The same vectors, to within the rounding of float32: how far a text is padded, its longest neighbour decides."""

    def __init__(self, whole: Model, seen: Seen, *, together: bool = True) -> None:
        # Its towers and tokenizer too, so that nothing is loaded twice.
        vars(self).update(vars(whole))
        texts, pictures = (MOST_TEXTS, MOST_PICTURES) if together else (ALONE, ALONE)
        self._texts = Batcher(super().encode_text, texts, lambda size, took: seen("text", size, took))
        self._pictures = Batcher(super().encode_pixels, pictures, lambda size, took: seen("image", size, took))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return self._texts(texts)

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        return self._pictures(pixels)


def batched(model: Model, seen: Seen, *, together: bool = True) -> Model:
    """A model whose encodes share batches, if `together`; of one that keeps fewer dimensions, the whole one's do."""
    if isinstance(model, NarrowModel):
        return narrowed(batched(model._whole, seen, together=together), model.dim)
    return BatchedModel(model, seen, together=together)
