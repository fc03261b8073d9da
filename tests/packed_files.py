"""Tar shards and Parquet files of small pictures."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(seed: int, side: int = 24) -> bytes:
    """A PNG of noise; another seed is another picture."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def sample(seed: int, text: str | None = None, **metadata: Any) -> dict[str, bytes]:
    """The members of one sample, by the ends of their names."""
    members = {"png": picture(seed)}
    if text is not None:
        members["txt"] = text.encode()
    if metadata:
        members["json"] = json.dumps(metadata).encode()
    return members


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_shard(path: Path, samples: Mapping[str, Mapping[str, bytes]]) -> Path:
    """KEY -> its members."""
    return write_tar(path, ((f"{key}.{end}", data) for key, sample in samples.items() for end, data in sample.items()))


def write_shards(folder: Path, shards: int, each: int) -> list[Path]:
    """`shards` files of `each` different pictures with captions, as img2dataset names them."""
    return [
        write_shard(
            folder / f"{n:05}.tar",
            {f"{n:05}{i:04}": sample(n * each + i, f"number {n * each + i}", key=f"{n:05}{i:04}") for i in range(each)},
        )
        for n in range(shards)
    ]
