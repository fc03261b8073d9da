"""A model folder with a sound tower more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch

from bouba.encoders.manifest import SoundTower as Facts
from bouba.encoders.manifest import Trust, read_checked
from bouba.errors import TrainingError
from bouba.training.export.folder import sha256, write_json
from bouba.training.export.graph import export_graph, plain
from bouba.training.export.place import (
    BACKGROUND,
    BANK,
    CALIBRATION,
    IMAGE,
    SOUND,
    SOUND_CLASSES,
    TEXT,
    TOKENIZER,
    new_folder,
)
from bouba.training.export.precision import Precision, store_as

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba.encoders import Model
    from bouba.training.sound.classes import SoundClass
    from bouba.training.sound.network import SoundNet

PROBES = 32  # windows that the graph is compared with the network on
LEAST_COSINE = 0.98
HEADING = "## Sounds"
ABOUT = """\
`sound.onnx`: YAMNet (Apache-2.0), and a map from what it says to the space of pictures and texts. A window of 0.975 s
becomes the sum of what its 521 classes look like, by how surely each is heard, plus what was learned from recordings.
A gallery does not depend on it: it can be replaced without encoding anything anew."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the folder says of itself; an empty `licence` keeps the base's."""

    name: str
    version: str
    licence: str
    trained_on: Sequence[Mapping[str, Any]]
    figures: Mapping[str, Any]


def with_sound(
    base: Model, net: SoundNet, classes: Sequence[SoundClass], folder: Path, told: Told, precision: Precision
) -> Path:
    """The model folder `base` with a sound tower beside the others, which stay as they are.

    Galleries made by `base` go on: the fingerprint does not change. Raises TrainingError where the graph does not say
    what the network says, or the folder cannot be written."""
    manifest = base.manifest
    kept = {IMAGE: manifest.image.file, TEXT: manifest.text.file, TOKENIZER: manifest.text.tokenizer}
    if manifest.trust:
        kept |= {CALIBRATION: manifest.trust.calibration, BANK: manifest.trust.bank}
        kept |= {BACKGROUND: manifest.trust.background}
    stored = {name: read_checked(base.folder, old, manifest.sha256[old]) for name, old in kept.items()}
    with new_folder(folder) as partial:
        for name, data in stored.items():
            (partial / name).write_bytes(data)
        _write_graph(net, partial / SOUND, precision)
        listed = [{"name": one.name, "speech": one.kind == "speech"} for one in classes]
        (partial / SOUND_CLASSES).write_text(json.dumps(listed, ensure_ascii=False), encoding="utf-8")
        hashes = {name: sha256(partial / name) for name in (*stored, SOUND, SOUND_CLASSES)}
        tower = net.tower
        new = replace(
            manifest,
            name=told.name,
            version=told.version,
            licence=told.licence or manifest.licence,
            image=replace(manifest.image, file=IMAGE),
            text=replace(manifest.text, file=TEXT, tokenizer=TOKENIZER),
            trust=Trust(CALIBRATION, BANK, BACKGROUND) if manifest.trust else None,
            sound=Facts(SOUND, tower.rate, tower.window, tower.hop, SOUND_CLASSES),
            sha256=hashes,
            trained_on=_with(manifest.trained_on, told.trained_on),
            sources=_with(manifest.sources, [{"name": tower.name, "licence": tower.licence, "url": tower.url}]),
        )
        write_json(partial / "model.json", asdict(new))
        _describe(base, partial, told)
    return folder


def _with(rows: Sequence[dict[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """New rows take the place of those of the same name: the base may have had a sound tower."""
    names = {row["name"] for row in new}
    return [*(row for row in rows if row.get("name") not in names), *map(dict, new)]


def _write_graph(net: SoundNet, path: Path, precision: Precision) -> None:
    waveform = torch.zeros(2, net.tower.window)
    export_graph(net, {"waveform": waveform}, ["embedding", "scores"], path)
    onnx.save(store_as(onnx.load(path), precision), path)
    probes = _probes(net)
    with plain(net) as network, torch.no_grad():
        wanted = network(torch.from_numpy(probes))[0].numpy()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(["embedding"], {"waveform": probes})[0]
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
    cosine = float(((wanted * found).sum(1) / np.maximum(lengths, 1e-12)).min())
    if cosine < LEAST_COSINE:
        raise TrainingError(f"The sound tower in {precision} says something else (cosine {cosine:.3f}). Export fp32.")


def _probes(net: SoundNet) -> npt.NDArray[np.float32]:
    """Tones and noises."""
    dice = np.random.default_rng(0)
    time = np.arange(net.tower.window) / net.tower.rate
    tones = [np.sin(2 * np.pi * pitch * time) for pitch in np.geomspace(100, 6000, PROBES // 2)]
    noise = [np.convolve(dice.standard_normal(len(time)), np.ones(n) / n, "same") for n in range(1, PROBES // 2 + 1)]
    return np.stack([0.3 * each / np.abs(each).max() for each in (*tones, *noise)]).astype(np.float32)


def _describe(base: Model, folder: Path, told: Told) -> None:
    """The base's own figures and card hold for pictures and texts; the sound tower's stand beside them."""
    metrics = json.loads(_text(base.folder / "metrics.json") or "{}")
    write_json(folder / "metrics.json", {**metrics, "sound": dict(told.figures)})
    card = _text(base.folder / "README.md").partition(f"\n{HEADING}\n")[0].rstrip()
    (folder / "README.md").write_text(f"{card}\n\n{HEADING}\n\n{ABOUT}\n", encoding="utf-8")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
