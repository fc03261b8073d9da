"""One process adds while another searches."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import bouba

ADD = """
import sys, time, bouba
with bouba.open(sys.argv[1], sys.argv[2]) as gallery:
    for photo in sys.argv[3:]:
        gallery.add(photo)
        time.sleep(0.03)  # leaves the reader time to look between two writes, on a busy machine too
"""


def test_new_items_appear_without_reopening(tmp_path: Path, paint, tiny_model_folder: Path) -> None:
    photos = [paint("red", seed=n) for n in range(60)]
    with bouba.open(tmp_path / "g", tiny_model_folder) as gallery:
        gallery.add(photos[:5])
        adder = subprocess.Popen(
            [sys.executable, "-c", ADD, str(tmp_path / "g"), str(tiny_model_folder), *map(str, photos[5:])],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        seen: list[int] = []
        while adder.poll() is None:
            result = gallery.search("red", k=100)
            assert len({hit.id for hit in result}) == len(result)
            seen.append(len(result))
        assert adder.wait() == 0, adder.stderr.read()
        time.sleep(1.0)  # the promise: a write is seen within a second
        assert len(gallery.search("red", k=100)) == 60
    assert seen == sorted(seen)
    assert len(set(seen)) > 3, "the searches saw the gallery grow"


def test_two_processes_add_the_same_folder(tmp_path: Path, photos: Path, tiny_model_folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bouba",
        "add",
        str(photos),
        "-g",
        str(tmp_path / "g"),
        "-m",
        str(tiny_model_folder),
    ]
    adders = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for adder in adders:
        _, errors = adder.communicate(timeout=120)
        assert adder.returncode == 0, errors
    with bouba.open(tmp_path / "g") as gallery:
        assert len(gallery) == 12
        assert len({item.id for item in gallery.items()}) == 12
