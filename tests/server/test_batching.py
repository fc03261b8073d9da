"""Encodes at the same time share a batch, and nobody can tell by the vectors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bouba
from bouba.encoders import Model, load_model
from bouba.narrow import NarrowModel, narrowed
from bouba.server.batching import Batcher, batched, spent

Rows = Any


class Tower:
    """Doubles numbers, in batches that it remembers; the first one waits until it may go on."""

    def __init__(self, gated: bool = True) -> None:
        self.sizes: list[int] = []
        self.running, self.go = threading.Event(), threading.Event()
        if not gated:
            self.go.set()

    def __call__(self, inputs: Sequence[int]) -> Rows:
        self.sizes.append(len(inputs))
        self.running.set()
        assert self.go.wait(20)
        if -1 in inputs:
            raise ValueError("no doubling this one")
        return np.array([[2.0 * one] for one in inputs], np.float32)


def together(tower: Tower, calls: Sequence[Sequence[int]], most: int = 8) -> list[Any]:
    """The answers, or errors, of calls from a thread each: all but the first come while it runs."""
    batcher = Batcher(tower, most, lambda size, took: None)

    def ask(inputs: Sequence[int]) -> Any:
        try:
            return batcher(inputs)[:, 0].tolist()
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        first = pool.submit(ask, calls[0])
        assert tower.running.wait(20)
        rest = [pool.submit(ask, inputs) for inputs in calls[1:]]
        while len(batcher._waiting) < len(rest):
            threading.Event().wait(0.001)
        tower.go.set()
        return [one.result(20) for one in (first, *rest)]


def test_lone_call_runs_at_once() -> None:
    tower = Tower(gated=False)
    seen: list[int] = []
    batcher = Batcher(tower, 8, lambda size, took: seen.append(size))
    before = spent.seconds
    assert batcher([1, 2]).tolist() == [[2], [4]]
    assert batcher([3]).tolist() == [[6]]
    assert tower.sizes == seen == [2, 1]
    assert spent.seconds > before


def test_calls_that_wait_are_one_batch() -> None:
    tower = Tower()
    calls = [[n] for n in range(6)]
    assert together(tower, calls) == [[2.0 * n] for n in range(6)]
    assert tower.sizes == [1, 5]


def test_batches_have_a_size() -> None:
    tower = Tower()
    calls = [[0], *([n, n] for n in range(1, 8))]
    assert together(tower, calls, most=5) == [[2.0 * n for n in call] for call in calls]
    assert tower.sizes == [1, 4, 4, 4, 2]


def test_bad_input_fails_its_own_call_alone() -> None:
    tower = Tower()
    answers = together(tower, [[0], [1], [-1], [3]])
    assert [answers[0], answers[1], answers[3]] == [[0.0], [2.0], [6.0]]
    assert isinstance(answers[2], ValueError)
    assert tower.sizes == [1, 3, 1, 1, 1]


def test_failed_lone_call_leaves_the_way_free() -> None:
    batcher = Batcher(Tower(gated=False), 8, lambda size, took: None)
    with pytest.raises(ValueError, match="doubling"):
        batcher([-1])
    assert batcher([1]).tolist() == [[2]]


def test_large_calls_go_by_themselves() -> None:
    """So that a query does not wait for pictures that are being added."""
    tower = Tower()
    batcher = Batcher(tower, 4, lambda size, took: None)
    with ThreadPoolExecutor(2) as pool:
        large = pool.submit(batcher, [1, 2, 3, 4])
        assert tower.running.wait(20)
        tower.go.set()
        assert batcher([5]).tolist() == [[10]]
        assert len(large.result(20)) == 4


def test_many_threads_get_their_own_answers() -> None:
    batcher = Batcher(Tower(gated=False), 8, lambda size, took: None)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: batcher([n, n + 1]).tolist(), range(500)))
    assert answers == [[[2.0 * n], [2.0 * n + 2]] for n in range(500)]


@pytest.mark.parametrize("keep", [None, 64])
def test_vectors_are_those_of_the_model_alone(keep: int | None) -> None:
    """Of the model that ships, whole and with fewer dimensions: to the last bit or the one before it."""
    plain = narrowed(load_model(), keep)
    sizes: list[int] = []
    model = batched(plain, lambda tower, size, took: sizes.append(size))
    assert isinstance(model, NarrowModel) == (keep is not None)
    assert (model.dim, model.fingerprint) == (plain.dim, plain.fingerprint)
    texts = ["a dog", "a long walk on the beach at night with friends", "snow", "red shoes", "cat, sleeping"] * 8
    alone = np.concatenate([plain.encode_text([text]) for text in texts])
    with ThreadPoolExecutor(8) as pool:
        shared = np.concatenate(list(pool.map(lambda text: model.encode_text([text]), texts)))
    assert max(sizes) > 1
    assert np.abs(alone - shared).max() < 2e-7
    shape = (model.manifest.image.size, model.manifest.image.size, 3)
    pixels = [np.random.default_rng(n).integers(0, 256, shape, np.uint8) for n in range(6)]
    alone = np.concatenate([plain.encode_pixels([one]) for one in pixels])
    with ThreadPoolExecutor(6) as pool:
        shared = np.concatenate(list(pool.map(lambda one: model.encode_pixels([one]), pixels)))
    assert np.abs(alone - shared).max() < 2e-7


def test_galleries_of_one_model_share_it(
    tmp_path: Path, photos: Path, tiny_model_folder: Path, serve: Callable[..., Any]
) -> None:
    with bouba.open(tmp_path / "one", tiny_model_folder) as one, bouba.open("memory://", tiny_model_folder) as two:
        one.add(photos)
        before = [(hit.id, hit.score) for hit in one.search("red", k=3)]
        serve({"one": one, "two": two})
        assert one.model is two.model
        assert [(hit.id, hit.score) for hit in one.search("red", k=3)] == before


def test_model_is_batched_after_a_migration(
    tmp_path: Path, photos: Path, tiny_model_folder: Path, serve: Callable[..., Any]
) -> None:
    from tiny_model import write_tiny_model

    from bouba.migrate import migrate
    from bouba.server.batching import BatchedModel

    with bouba.open(tmp_path / "one", tiny_model_folder) as gallery:
        gallery.add(photos)
        client = serve(gallery)
        other = write_tiny_model(tmp_path / "other", bias=100.0)
        migrate(str(tmp_path / "one"), other)
        assert client.post("/search", json={"query": {"text": "red"}}).status_code == 200
        assert gallery.model.fingerprint == load_model(other).fingerprint
        assert isinstance(gallery.model, BatchedModel)


def test_without_batching_every_call_runs_alone(tiny_model: Model) -> None:
    sizes: list[int] = []
    model = batched(tiny_model, lambda tower, size, took: sizes.append(size), together=False)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: model.encode_text(["red"]), range(50)))
    assert set(sizes) == {1}
