"""Whether the server is ready: every gallery has answered a first question, which loads its model and its index."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import BoubaError

if TYPE_CHECKING:
    from bouba.server.galleries import Served

AGAIN_S = 5.0  # after a gallery did not answer
FIRST_WORDS = "a picture"

_log = logging.getLogger("bouba.server")


class Warming:
    """A thread that asks each gallery something, until it answers."""

    def __init__(self, galleries: Mapping[str, Served]) -> None:
        self._galleries = galleries
        self._cold = dict.fromkeys(galleries, "is being loaded")  # what is wrong with those that are not ready
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Does nothing where it was started before."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bouba-warming", daemon=True)
                self._thread.start()

    def cold(self) -> Mapping[str, str]:
        """The galleries that are not ready, and why. Starts, in an app whose server tells no beginning."""
        self.start()
        return dict(self._cold)

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while self._cold and not self._closed.is_set():
            for name in list(self._cold):
                self._ask(name)
            if self._cold:
                self._closed.wait(AGAIN_S)
        for served in self._galleries.values():
            if not self._closed.is_set():
                self._load_pictures(served)

    def _ask(self, name: str) -> None:
        try:
            self._galleries[name].gallery.search(FIRST_WORDS, k=1)
        except BoubaError as error:
            _log.error("The gallery %s is not ready: %s", name, error)
            self._cold[name] = "cannot be searched"
        else:
            del self._cold[name]

    def _load_pictures(self, served: Served) -> None:
        """The other tower, which the first question in words did not need."""
        model = served.gallery.model
        size = model.manifest.image.size
        try:
            model.encode_pixels([np.zeros((size, size, 3), np.uint8)])
        except BoubaError as error:
            _log.error("The gallery %s cannot be searched by pictures: %s", served.name, error)
