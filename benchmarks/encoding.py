"""How many photos a second bouba encodes, beside open_clip in PyTorch with the same weights.

    python -m benchmarks.encoding [--data FOLDER] [--photos N] [--json]

A randomly initialised ViT-B/32 is pulled into a model folder (`int8-weights`) as a user would pull a trained one. The
same photos then go through both, from file to vector: open_clip with its own transform, in a plain loop and with a
DataLoader's workers; bouba with its decoders running ahead of the encoder, as `bouba add` has them, with the default
settings (ONNX Runtime, products in float32) and as `bouba tune` set them here. All take turns, and each has its best
round. The ratio is that of the tuned bouba to the faster open_clip.

Random weights give all photos nearly the same vector, so that plain cosines say little; those about the mean of all
photos are held against open_clip's too. Needs `bouba[train]`, and `bouba[openvino]` for the ratio that is promised.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.sets import DEFAULT_DATA
from bouba.encoders.model import Model
from bouba.encoders.setting import Settings, usable_cores
from bouba.evaluation.data import read_set
from bouba.ingest.pipeline import ENCODE_BATCH
from bouba.media import load_image
from bouba.tune import tune

if TYPE_CHECKING:
    from bouba.types import Pixels, Vectors

ARCH = "ViT-B-32"
BATCH = 32  # of open_clip
ROUNDS = 2
Way = Callable[[Sequence[Path]], "Vectors"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/")
    parser.add_argument("--photos", type=int, default=192)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    data = read_set(arguments.data / "flickr8k" / "pairs.jsonl", split="val")
    photos = data.images[: arguments.photos]
    with tempfile.TemporaryDirectory() as scratch:
        report = measured(photos, Path(scratch))
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)


def measured(photos: Sequence[Path], scratch: Path) -> dict[str, Any]:
    weights = random_weights(scratch)
    peer = OpenClip(weights)
    folder = pulled(weights, scratch / "model")
    plain = Model(folder, str(folder), Settings())
    tuning = tune(plain)
    tuned = Model(folder, str(folder), tuning.settings)
    ways: dict[str, Way] = {
        "open_clip, loop": peer.loop,
        "open_clip, DataLoader": peer.with_workers,
        "bouba, default": lambda part: encoded(plain, part),
        "bouba, tuned": lambda part: encoded(tuned, part),
    }
    seconds, vectors = in_turns(ways, photos)
    wanted = vectors["open_clip, loop"]
    rates = {name: len(photos) / spent for name, spent in seconds.items()}
    best = max(rate for name, rate in rates.items() if name.startswith("open_clip"))
    rows = {
        name: {"photos_s": rate, "ratio": rate / best, **cosines(vectors[name], wanted)} for name, rate in rates.items()
    }
    return {
        "photos": len(photos), "cores": usable_cores(), "ways": rows, "ratio": rows["bouba, tuned"]["ratio"],
        "cosine_min": rows["bouba, tuned"]["cosine_min"], "tuned": asdict(tuning.settings.image),
        "ms": where_time_goes(peer, plain, tuned, photos[: 2 * BATCH]),
    }  # fmt: skip


def random_weights(scratch: Path) -> Path:
    import torch

    from bouba.training.towers.torchvision_ops import import_torchvision

    import_torchvision()
    import open_clip

    torch.manual_seed(0)
    torch.save(open_clip.create_model(ARCH).state_dict(), scratch / "weights.pt")
    return scratch / "weights.pt"


def pulled(weights: Path, folder: Path) -> Path:
    """As `bouba models pull` makes it."""
    from bouba.training.hub import pull

    return pull(f"openclip:{ARCH}//{weights}", folder, precision="int8-weights", accept_licence=True)


class OpenClip:
    """As its users run it."""

    def __init__(self, weights: Path) -> None:
        import open_clip
        import torch

        torch.set_num_threads(usable_cores())
        self._model, _, self._transform = open_clip.create_model_and_transforms(ARCH, pretrained=str(weights))
        self._model.eval()

    def loop(self, photos: Sequence[Path]) -> Vectors:
        import torch

        batches = (photos[start : start + BATCH] for start in range(0, len(photos), BATCH))
        return self.encode(torch.stack([self.prepared(path) for path in batch]) for batch in batches)

    def with_workers(self, photos: Sequence[Path]) -> Vectors:
        from torch.utils.data import DataLoader

        files = _Photos(photos, self.prepared)
        return self.encode(DataLoader(files, BATCH, num_workers=usable_cores()))  # type: ignore[arg-type]

    def prepared(self, path: Path) -> Any:
        with Image.open(path) as image:
            return self._transform(image)

    def encode(self, batches: Iterable[Any]) -> Vectors:
        import torch

        with torch.inference_mode():
            rows = [self._model.encode_image(batch, normalize=True) for batch in batches]
        return np.asarray(torch.cat(rows).numpy(), np.float32)


class _Photos:
    """A data set of PyTorch's kind."""

    def __init__(self, photos: Sequence[Path], prepared: Callable[[Path], Any]) -> None:
        self._photos, self._prepared = photos, prepared

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, place: int) -> Any:
        return self._prepared(self._photos[place])


def encoded(model: Model, photos: Sequence[Path]) -> Vectors:
    with ThreadPoolExecutor(max(2, usable_cores())) as pool:
        pixels = pool.map(lambda path: decoded(model, path), photos)
        batches = [len(photos[start : start + ENCODE_BATCH]) for start in range(0, len(photos), ENCODE_BATCH)]
        return np.concatenate([model.encode_pixels([next(pixels) for _ in range(size)]) for size in batches])


def decoded(model: Model, path: Path) -> Pixels:
    return model.prepare_image(load_image(path, side=model.manifest.image.size).rgb)


def in_turns(ways: Mapping[str, Way], photos: Sequence[Path]) -> tuple[dict[str, float], dict[str, Vectors]]:
    """Each way's seconds in its best round, and its vectors."""
    seconds = dict.fromkeys(ways, float("inf"))
    vectors = {name: way(photos[:BATCH]) for name, way in ways.items()}  # all is loaded before anything is timed
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            vectors[name] = way(photos)
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    return seconds, vectors


def cosines(found: Vectors, wanted: Vectors) -> dict[str, float]:
    mean = wanted.mean(0)
    plain = (found * wanted).sum(1)
    one, other = found - mean, wanted - mean
    about = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    return {
        "cosine_min": float(plain.min()), "cosine_mean": float(plain.mean()),
        "about_mean_min": float(about.min()), "about_mean_mean": float(about.mean()),
    }  # fmt: skip


def where_time_goes(peer: OpenClip, plain: Model, tuned: Model, photos: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Milliseconds a photo, each step by itself on all cores (the transform of open_clip's loop has one)."""
    import torch

    tensors, transform_ms = timed(lambda: torch.stack([peer.prepared(path) for path in photos]), len(photos))
    batches = list(tensors.split(BATCH))
    with ThreadPoolExecutor(max(2, usable_cores())) as pool:
        pixels, decode_ms = timed(lambda: list(pool.map(lambda path: decoded(plain, path), photos)), len(photos))
    return {
        "open_clip": {"decode": transform_ms, "encode": timed(lambda: peer.encode(batches), len(photos))[1]},
        "bouba, default": {"decode": decode_ms, "encode": timed(lambda: plain.encode_pixels(pixels), len(photos))[1]},
        "bouba, tuned": {"decode": decode_ms, "encode": timed(lambda: tuned.encode_pixels(pixels), len(photos))[1]},
    }


def timed(call: Callable[[], Any], photos: int) -> tuple[Any, float]:
    started = time.perf_counter()
    found = call()
    return found, 1000 * (time.perf_counter() - started) / photos


def show(report: Mapping[str, Any]) -> None:
    print(f"{report['photos']} photos, {ARCH}, {report['cores']} cores; cosines to open_clip's vectors\n")
    print(f"{'':<22} {'photos/s':>8} {'ratio':>6} {'cos min':>8} {'mean':>8} {'about the mean: min':>20} {'mean':>8}")
    for name, row in report["ways"].items():
        print(
            f"{name:<22} {row['photos_s']:>8.1f} {row['ratio']:>6.2f} {row['cosine_min']:>8.5f} "
            f"{row['cosine_mean']:>8.5f} {row['about_mean_min']:>20.4f} {row['about_mean_mean']:>8.4f}"
        )
    print(f"\ntuned: {report['tuned']}")
    for name, steps in report["ms"].items():
        print(f"{name:<22} " + ", ".join(f"{step} {ms:.1f} ms a photo" for step, ms in steps.items()))


if __name__ == "__main__":
    main()
