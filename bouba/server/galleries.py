"""The galleries of one server, by their names, each with what the server keeps of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.errors import ServerError
from bouba.server.batching import batched
from bouba.server.facets import Facets
from bouba.server.feedback import FeedbackLog
from bouba.server.names import checked_name, name_of
from bouba.server.uploads import Uploads
from bouba.server.work import Lane

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.gallery import Gallery
    from bouba.server.metrics import Metrics
    from bouba.server.settings import Settings

MOST_WRITES = 16  # that may wait for the one that runs


class Served:
    """One gallery."""

    def __init__(self, name: str, gallery: Gallery, folder: Path, settings: Settings) -> None:
        self.name, self.gallery = name, gallery
        self.writes = Lane(f"write-{name}", 1, MOST_WRITES, settings.write_timeout_s)
        self.uploads = Uploads(gallery, folder / "uploads", settings.most_upload_bytes)
        self.feedback = FeedbackLog(folder / "feedback.jsonl")
        self.facets = Facets(gallery)

    @property
    def explains(self) -> bool:
        """Whether its model tells where in a picture a query matches, quickly enough to be asked on the way."""
        return self.gallery.model.manifest.image.grid is not None


class Galleries(Mapping[str, Served]):
    """In the order given; the first is asked by default. Raises ServerError for a name that is none."""

    def __init__(self, galleries: Gallery | Mapping[str, Gallery], settings: Settings, metrics: Metrics) -> None:
        named = galleries if isinstance(galleries, Mapping) else {name_of(galleries.uri): galleries}
        if not named:
            raise ServerError("There is no gallery to serve: name at least one.")
        self._passing: list[tempfile.TemporaryDirectory[str]] = []
        self._models: dict[tuple[str, str], Model] = {}
        self._served: dict[str, Served] = {}
        for name, gallery in named.items():
            gallery.run_by(partial(self._shared, metrics=metrics, together=settings.batching))
            self._served[checked_name(name)] = Served(name, gallery, gallery.folder or self._passing_folder(), settings)

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    def close(self) -> None:
        """Ends what the server keeps of them, not the galleries: those who opened them close them."""
        for served in self.values():
            served.writes.close()
        for folder in self._passing:
            folder.cleanup()

    def _shared(self, model: Model, metrics: Metrics, together: bool) -> Model:
        """Galleries of one model have its towers loaded once, and share batches."""
        key = (model.source, model.fingerprint)
        if key not in self._models:
            self._models[key] = batched(model, metrics.encoded, together=together)
        return self._models[key]

    def _passing_folder(self) -> Path:
        """For a gallery in memory: gone with the server."""
        folder = tempfile.TemporaryDirectory(prefix="bouba-")
        self._passing.append(folder)
        return Path(folder.name)
