"""The default store: a folder with a Lance table, the engine and file format of LanceDB."""

from bouba.stores.lance.settings import Settings
from bouba.stores.lance.store import LanceStore

__all__ = ["LanceStore", "Settings"]
