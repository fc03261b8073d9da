from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def many_photos(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of as many small pictures as the module's PHOTOS says."""
    folder = tmp_path / "many"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(request.module.PHOTOS):
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / f"{n:04}.png")
    return folder
