"""Every error that bouba raises on purpose; each message says what happened and what to do.

BoubaError
├── MediaError              one picture, sound or text cannot be used; nothing else is affected
│   ├── MediaMissing        no such file, or not a regular file (folder, device, pipe, link loop, no permission)
│   ├── MediaEmpty          zero bytes, text with nothing in it, silence, a video without sound
│   ├── MediaUnsupported    neither picture nor sound, or a kind that no installed decoder reads
│   ├── MediaCorrupt        a picture or sound whose data is truncated or damaged
│   ├── MediaTooLarge       over a limit: bytes, pixels, seconds, characters, decompression bomb
│   └── FetchRefused        a URL that is not allowed, private, too slow, too big, or answers with an error
├── QueryError              the question itself is wrong: nothing asked, bad weights, bad k
│   └── WhereError          the filter does not parse, or names an unknown field, or compares unlike types
├── AttributeTypeError      an attribute has another type than the gallery holds under that name
├── ManifestError           a manifest (jsonl, csv, parquet) cannot be read; names file and line
├── PlanError               measured curves or a price list that cannot be read, or a plan that asks for the impossible
├── TrainingError           a run that cannot start or go on: its settings, its pairs, its checkpoint
├── ModelError
│   ├── ModelMissing        no such model folder or name
│   ├── ModelBroken         files missing, changed or not a model
│   └── ModelMismatch       a gallery made by one model is opened with another
├── ServerError             a server cannot start, or a bouba server answered with an error
│   ├── ServerUnavailable   it cannot be reached, is not ready, or took too long
│   ├── ServerBusy          it has too much to do just now, or a key asked too often; try again later
│   └── AccessDenied        no key, a wrong one, or one that may not do this
└── StoreError
    ├── StoreUnknown        the URI names no store that bouba has
    ├── GalleryMissing      there is no gallery at that place
    ├── GalleryBroken       its files are damaged, or were written by a newer bouba
    └── StoreUnavailable    the store cannot be reached or written: permission, full disk, connection
"""


class BoubaError(Exception):
    """Root of the tree: catch this to catch everything that bouba raises on purpose."""


class MediaError(BoubaError):
    """One picture, sound or text cannot be used."""


class MediaMissing(MediaError):
    """No such file, or not a regular file."""


class MediaEmpty(MediaError):
    """Zero bytes, text with nothing in it, silence, too short a sound, or a video without sound."""


class MediaUnsupported(MediaError):
    """Neither picture nor sound, or a kind that no installed decoder reads."""


class MediaCorrupt(MediaError):
    """A picture or sound whose data is truncated or damaged."""


class MediaTooLarge(MediaError):
    """Over a limit: bytes, pixels, seconds, characters, or a decompression bomb."""


class FetchRefused(MediaError):
    """A URL that is not allowed, is private, is too slow or too big, or answers with an error."""


class QueryError(BoubaError):
    """The question itself is wrong."""


class WhereError(QueryError):
    """A filter that does not parse or does not fit the gallery's fields."""


class AttributeTypeError(BoubaError):
    """An attribute has another type than the gallery holds under that name."""


class ManifestError(BoubaError):
    """A manifest cannot be read."""


class TrainingError(BoubaError):
    """A training run cannot start or go on."""


class PlanError(BoubaError):
    """Measured curves or prices cannot be read, or what is to be planned makes no sense."""


class ModelError(BoubaError):
    """A model folder is missing, broken or the wrong one."""


class ModelMissing(ModelError):
    """No such model folder or name."""


class ModelBroken(ModelError):
    """Files of a model folder are missing, changed or not a model."""


class ModelMismatch(ModelError):
    """A gallery made by one model is opened with another."""


class ServerError(BoubaError):
    """A server cannot start, or one that was asked answered with an error."""


class ServerUnavailable(ServerError):
    """A server cannot be reached, is not ready, or took too long."""


class ServerBusy(ServerError):
    """A server has too much to do just now, or a key asked too often."""


class AccessDenied(ServerError):
    """A server wants a key, or another one."""


class StoreError(BoubaError):
    """Where vectors and records are kept cannot do what was asked."""


class StoreUnknown(StoreError):
    """The URI names no store that bouba has."""


class GalleryMissing(StoreError):
    """There is no gallery at that place."""


class GalleryBroken(StoreError):
    """A gallery's files are damaged or were written by a newer bouba."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written: permission, full disk, connection."""
