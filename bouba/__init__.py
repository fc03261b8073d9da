"""bouba: find pictures by words, sounds, speech or another picture.

    import bouba
    gallery = bouba.open("holiday.bouba")
    gallery.add("holiday/")
    gallery.search("a dog running on the beach")

`import bouba` is cheap: what a name needs is imported when the name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bouba.client import Client
    from bouba.encoders import Model, load_model
    from bouba.errors import BoubaError
    from bouba.gallery import Gallery, open
    from bouba.ingest import Report
    from bouba.types import Hit, Item, Query, Result

__version__ = "0.1.0"

_HOME = {
    "BoubaError": "bouba.errors",
    "Client": "bouba.client",
    "Gallery": "bouba.gallery",
    "Hit": "bouba.types",
    "Item": "bouba.types",
    "Model": "bouba.encoders",
    "Query": "bouba.types",
    "Report": "bouba.ingest",
    "Result": "bouba.types",
    "load_model": "bouba.encoders",
    "open": "bouba.gallery",
}

__all__ = [
    "BoubaError",
    "Client",
    "Gallery",
    "Hit",
    "Item",
    "Model",
    "Query",
    "Report",
    "Result",
    "__version__",
    "load_model",
    "open",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'bouba' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
