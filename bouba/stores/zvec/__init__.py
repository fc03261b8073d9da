"""A gallery in a folder that one process owns, with the graph index of zvec; the only place that imports `zvec`."""

from bouba.stores.zvec.store import ZvecStore

__all__ = ["ZvecStore"]
