"""A gallery on a Milvus server, on Zilliz Cloud, or in a Milvus Lite file; the only place that imports `pymilvus`."""

from bouba.stores.milvus.store import MilvusStore

__all__ = ["MilvusStore"]
