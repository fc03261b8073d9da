"""Pictures to a server's gallery, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bouba.client.answers import understood
from bouba.client.report import Uploaded, UploadFailure
from bouba.client.uploads import Upload, batches, pictures, told
from bouba.client.wire import File, Wire, with_form, with_json
from bouba.errors import FetchRefused, MediaError, MediaTooLarge
from bouba.ingest.sources import is_url

if TYPE_CHECKING:
    from bouba.types import AttributeValue, ImageSource


def add(
    wire: Wire,
    sources: ImageSource | Iterable[ImageSource],
    attributes: Mapping[str, AttributeValue],
    fetch: bool,
    progress: Callable[[int, int], None],
) -> Uploaded:
    """As `Client.add`. One picture that is refused is a failure in the report, never the end."""
    named = pictures(sources)
    urls = [source for source in named if isinstance(source, str) and is_url(source)]
    adding = _Adding(wire, {name: _jsonable(value) for name, value in attributes.items()})
    done = 0
    for batch, failures in batches(source for source in named if not is_url(source)):
        adding.report.failures += failures
        adding.send(batch)
        done += len(batch) + len(failures)
        progress(done, len(named))
    for url in urls:
        adding.address(url, fetch)
        done += 1
        progress(done, len(named))
    return adding.report


@dataclass(slots=True)
class _Adding:
    wire: Wire
    attributes: Mapping[str, Any]
    report: Uploaded = field(default_factory=Uploaded)

    def send(self, batch: Sequence[Upload]) -> None:
        """In one request; in several where the server takes less at once than we send."""
        if not batch:
            return
        files = [File("files", upload.name, upload.data) for upload in batch]
        plain = {"attributes": self.attributes} if self.attributes else {}
        try:
            record = self.wire.json(with_form("items", plain, files))
        except MediaTooLarge as error:
            if len(batch) == 1:
                self.report.failures.append(UploadFailure(batch[0].source, str(error)))
                return
            for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                self.send(half)
            return
        self._count(record, batch)

    def address(self, url: str, fetch: bool) -> None:
        """One that the server is to read itself."""
        try:
            if not fetch:
                raise FetchRefused(f"{url}: addresses are read only where --fetch (fetch=True) allows it.")
            record = self.wire.json(with_json("POST", "items", {"urls": [url], "attributes": self.attributes}))
        except MediaError as error:
            self.report.failures.append(UploadFailure(url, str(error)))
            return
        self._count(record, ())

    def _count(self, record: dict[str, Any], batch: Sequence[Upload]) -> None:
        with understood(self.wire.url):
            self.report.added += record["added"]
            self.report.known += record["known"]
            self.report.ids += record["ids"]
            self.report.failures += told(record, batch)


def _jsonable(value: AttributeValue) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
