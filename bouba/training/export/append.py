"""Heads on top of an existing model folder: adapted without the code of its networks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from onnx.version_converter import convert_version
from torch import Tensor, nn
from torch.nn import functional as F

from bouba.encoders import Model, load_model
from bouba.encoders.manifest import Manifest, read_checked
from bouba.errors import TrainingError
from bouba.training.export.folder import describe, sha256, write_json
from bouba.training.export.graph import OPSET, export_graph, plain
from bouba.training.export.grid import with_grid, without_grid
from bouba.training.export.parity import Reference, check_parity
from bouba.training.export.place import IMAGE, SOUND, SOUND_CLASSES, TEXT, TOKENIZER, new_folder
from bouba.training.export.precision import Precision, store_as
from bouba.training.export.probes import TEXTS, drawn_pictures

if TYPE_CHECKING:
    from bouba.types import Vectors

OLDEST_OPSET, NEWEST_OPSET = 9, 20  # that heads can be exported at
COMPARED = 16


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """What changes in `model.json` when heads are added; empty `licence` keeps the base's."""

    name: str
    version: str
    licence: str = ""
    matryoshka: tuple[int, ...] = ()
    trained_on: tuple[Mapping[str, Any], ...] = ()  # beside what the base was trained on
    summary: str = ""
    limits: tuple[str, ...] = ()


def with_heads(
    base: str | Path,
    image_head: nn.Module,
    text_head: nn.Module,
    folder: Path,
    *,
    facts: HeadFacts,
    precision: Precision = "fp32",
    metrics: Mapping[str, Any] | None = None,
) -> Path:
    """The model folder `base` with a head behind each tower: vectors of length 1 [n, dim] -> embedding [n, dim2].

    `precision` says how the heads' weights are stored; the towers stay as they are. The result is a model
    folder like any other, and may be a base again. Raises ModelMissing or ModelBroken for the base, TrainingError where
    the result does not give the heads' vectors or cannot be written.
    """
    model = load_model(base)
    dim = _dim(image_head, text_head, model.dim)
    base_facts = model.manifest
    heads: dict[str, tuple[str, nn.Module]] = {
        IMAGE: (base_facts.image.file, _Head(image_head)),
        TEXT: (base_facts.text.file, _Head(text_head)),
    }
    kept = {TOKENIZER: base_facts.text.tokenizer}
    if base_facts.sound:  # sounds stand where the texts of their names stand, and move with them
        heads[SOUND] = (base_facts.sound.file, _SoundHead(text_head))
        kept[SOUND_CLASSES] = base_facts.sound.classes
    with new_folder(folder) as partial:
        grid = None
        for name, (file, head) in heads.items():
            graph = _joined(without_grid(_graph(model, file)), head, model.dim, precision, partial)
            if name == IMAGE:
                graph, grid = with_grid(graph, base_facts.image.size)
            onnx.save(graph, partial / name)
        for name, file in kept.items():
            (partial / name).write_bytes(read_checked(model.folder, file, base_facts.sha256[file]))
        manifest = _manifest(model, facts, dim, {name: sha256(partial / name) for name in (*heads, *kept)})
        manifest = replace(manifest, image=replace(manifest.image, grid=list(grid) if grid else None))
        write_json(partial / "model.json", asdict(manifest))
        pixels = drawn_pictures(COMPARED, model.manifest.image.size)
        parity = check_parity(
            _reference(model, image_head, text_head), partial, pixels, TEXTS, exact=precision == "fp32"
        )
        describe(partial, manifest, facts.summary, facts.limits, precision, parity, metrics or {})
    return folder


class _Head(nn.Module):
    """Heads are trained on vectors of length 1, and what comes out of a tower's graph need not have it."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Any:
        return self.head(F.normalize(features, dim=-1))


class _SoundHead(nn.Module):
    """The same for embeddings whose length says how much a window counts, which they keep."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        length = features.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        moved: Tensor = F.normalize(self.head(features / length), dim=-1) * length
        return moved


def _dim(image_head: nn.Module, text_head: nn.Module, dim: int) -> int:
    widths = []
    for head in (image_head, text_head):
        with plain(head) as network, torch.no_grad():
            try:
                widths.append(int(network(torch.eye(dim)[:2]).shape[1]))
            except RuntimeError as error:
                raise TrainingError(f"A head does not take the base's vectors of {dim} numbers: {error}") from error
    if widths[0] != widths[1]:
        raise TrainingError(f"The heads give {widths[0]} and {widths[1]} numbers; both must give the same.")
    return widths[0]


def _graph(model: Model, file: str) -> onnx.ModelProto:
    return onnx.load_from_string(read_checked(model.folder, file, model.manifest.sha256[file]))


def _joined(base: onnx.ModelProto, head: nn.Module, dim: int, precision: Precision, scratch: Path) -> onnx.ModelProto:
    """Both graphs as one, at the base's own opset: a head can be converted safely, a quantised tower cannot."""
    base = _one_opset(base)
    if _opset(base) < OLDEST_OPSET:
        base = convert_version(base, OPSET)
    opset = _opset(base)
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        path = Path(place) / "head.onnx"
        examples = {"features": torch.eye(dim)[:2]}
        export_graph(head, examples, ["embedding"], path, opset=min(opset, NEWEST_OPSET))
        added = onnx.load(path)
    if opset > NEWEST_OPSET:
        added = convert_version(added, opset)
    # The base's names get a prefix more at every turn, so that nothing clashes however often heads are added.
    base = onnx.compose.add_prefix(base, "base/", rename_inputs=False)
    added = onnx.compose.add_prefix(store_as(added, precision), "head/", rename_outputs=False)
    base.ir_version = added.ir_version = max(base.ir_version, added.ir_version)
    others = [output.name for output in base.graph.output if output.name != "base/embedding"]
    whole = onnx.compose.merge_models(
        base, added, io_map=[("base/embedding", "head/features")], outputs=["embedding", *others]
    )
    _rename_outputs(whole, {name: name.removeprefix("base/") for name in others})
    return store_as(_one_opset(whole), "fp32")


def _rename_outputs(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    for output in model.graph.output:
        output.name = names.get(output.name, output.name)
    for node in model.graph.node:
        for names_of in (node.input, node.output):
            names_of[:] = [names.get(name, name) for name in names_of]


def _opset(model: onnx.ModelProto) -> int:
    return max(int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def _one_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """One entry for each domain: joined graphs often list the same one twice, and quantisation refuses that."""
    versions: dict[str, int] = {}
    for entry in model.opset_import:
        versions[entry.domain] = max(entry.version, versions.get(entry.domain, 0))
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in versions.items())
    return model


def _manifest(model: Model, facts: HeadFacts, dim: int, hashes: Mapping[str, str]) -> Manifest:
    base = model.manifest
    return replace(
        base,
        name=facts.name,
        version=facts.version,
        dim=dim,
        licence=facts.licence or base.licence,
        image=replace(base.image, file=IMAGE),
        text=replace(base.text, file=TEXT, tokenizer=TOKENIZER),
        sound=replace(base.sound, file=SOUND, classes=SOUND_CLASSES) if base.sound else None,
        sha256=dict(hashes),
        trained_on=[*base.trained_on, *map(dict, facts.trained_on)],
        sources=[*base.sources, {"name": f"{base.name} {base.version}", "licence": base.licence, "url": ""}],
        matryoshka=list(facts.matryoshka),
        trust=None,  # scores of other vectors are worth something else
    )


def _reference(model: Model, image_head: nn.Module, text_head: nn.Module) -> Reference:
    def through(head: nn.Module, encode: Callable[[Sequence[Any]], Vectors]) -> Callable[[Sequence[Any]], Vectors]:
        def run(inputs: Sequence[Any]) -> Vectors:
            with plain(head) as network, torch.no_grad():
                vectors: Vectors = network(torch.from_numpy(encode(inputs))).numpy()
            return vectors

        return run

    return Reference(through(image_head, model.encode_pixels), through(text_head, model.encode_text))
