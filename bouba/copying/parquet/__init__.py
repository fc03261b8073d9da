"""A gallery as Parquet: one file, or a folder of them.

Each file has a column for every field of the items, `vector`, `bias` (what the store keeps beside the vector), and
where they were copied `thumbnail` and `files`. Its metadata has the gallery's description (`bouba.gallery`), the number
of items and their checksum. In a folder `_bouba.json`, which readers of Parquet pass over, says which files belong to
it, or that they are not all there yet.
"""

from bouba.copying.parquet.folder import ParquetDestination, is_parquet
from bouba.copying.parquet.reading import ParquetSource
from bouba.copying.parquet.writing import PartWriter

__all__ = ["ParquetDestination", "ParquetSource", "PartWriter", "is_parquet"]
