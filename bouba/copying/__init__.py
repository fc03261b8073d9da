"""A gallery from one store to another, or to Parquet and back: resumable, and verified item by item."""

from bouba.copying.run import CopyReport, copy

__all__ = ["CopyReport", "copy"]
