"""What the label block's weight buys and costs: captions against class names, from the vectors of one model.

    python -m benchmarks.label_weight [--model FOLDER] [--data FOLDER] [--cache FOLDER] [--json]

Each vector of a model made with `[labels]` is a scene block and a label block, interleaved (`bouba.training.labels`).
They are taken apart, brought to length 1, and joined again with other weights, 0 for the scene block alone. Text to
image on the val splits by cosine; intervals are 95 %, and the captions of one photo are resampled together. The
weight that ships was chosen by this table.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.sets import DEFAULT_DATA, SETS
from bouba.encoders import Model, load_model
from bouba.evaluation.data import read_set
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.metrics import average_precision, hit_rate_at_k
from bouba.evaluation.ranks import Relevance, rank_vectors
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval
from bouba.training.labels import interleaved

if TYPE_CHECKING:
    from bouba.types import Vectors

LABEL = 192  # numbers of the label block: [labels] dim of recipes/builtin.toml
WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.7)
ASKED = ("flickr8k", "objects", "grocery")
COLUMNS = (("flickr8k", "hit@1"), ("flickr8k", "hit@10"), ("objects", "mAP"), ("grocery", "mAP"))


@dataclass(frozen=True, slots=True)
class Blocks:
    """Unit vectors [n, dim] as two matrices of unit rows, and how much the second one counted."""

    scene: Vectors
    label: Vectors
    weight: float

    @classmethod
    def of(cls, vectors: Vectors) -> Blocks:
        """Raises SystemExit where the blocks' lengths are not everywhere in one proportion: there are none then."""
        scene_dim = vectors.shape[1] - LABEL
        if scene_dim < 1:
            raise SystemExit(f"Vectors of {vectors.shape[1]} numbers have no label block of {LABEL} beside another.")
        joined = vectors[:, np.argsort(interleaved(scene_dim, LABEL).numpy())]
        scene, label = joined[:, :scene_dim], joined[:, scene_dim:]
        lengths = np.linalg.norm(scene, axis=1), np.linalg.norm(label, axis=1)
        ratio = lengths[1] / np.maximum(lengths[0], 1e-12)
        if ratio.max() - ratio.min() > 0.001:
            raise SystemExit(
                f"This model has no interleaved label block of {LABEL} numbers: beside the rest it would count "
                f"{ratio.min():.2f} to {ratio.max():.2f}, and not the same in every vector."
            )
        return cls(scene / lengths[0][:, None], label / lengths[1][:, None], float(ratio.mean()))

    def joined(self, weight: float) -> Vectors:
        both = np.concatenate([self.scene, weight * self.label], axis=1)
        return np.asarray(both / np.sqrt(1 + weight**2), np.float32)


@dataclass(frozen=True, slots=True)
class Asked:
    """One set's texts and pictures, and which belong together."""

    texts: Blocks
    images: Blocks
    relevance: Relevance
    groups: np.ndarray[tuple[int], np.dtype[np.int64]]  # queries of one group are resampled together

    def figures(self, weight: float) -> dict[str, Interval]:
        ranks = rank_vectors(self.texts.joined(weight), self.images.joined(weight), self.relevance)
        values = {"hit@1": hit_rate_at_k(ranks, 1), "hit@10": hit_rate_at_k(ranks, 10), "mAP": average_precision(ranks)}
        return {name: bootstrap_interval(one, groups=self.groups) for name, one in values.items()}


def asked(name: str, model: Model, data: Path, cache: Path) -> Asked:
    file, column = SETS[name]
    one, embeddings = read_set(data / file, split="val", text_column=column), Embeddings(model, cache)
    groups = [own[0] if one.kind == "captions" else number for number, own in enumerate(one.relevant)]
    return Asked(
        Blocks.of(embeddings.texts(one.texts)),
        Blocks.of(embeddings.pictures(one.images)),
        Relevance.of_lists(one.relevant, len(one.images)),
        np.array(groups, np.int64),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder with a label block; by default the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/, objects/, grocery/")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where vectors are kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    sets = {name: asked(name, model, arguments.data, arguments.cache) for name in ASKED}
    ships = round(next(iter(sets.values())).texts.weight, 2)
    measured = {weight: {name: one.figures(weight) for name, one in sets.items()} for weight in WEIGHTS}
    if arguments.json:
        rows = [
            {"weight": weight, **{f"{name} {metric}": asdict(found[name][metric]) for name, metric in COLUMNS}}
            for weight, found in measured.items()
        ]
        print(json.dumps({"model": f"{model.name} {model.version}", "weight": ships, "rows": rows}, indent=2))
        return
    print(f"{model.name} {model.version}, whose label block counts {ships:g}; %, with 95 % intervals")
    print("weight" + "".join(f"{f'{name} {metric}':>22}" for name, metric in COLUMNS))
    for weight, found in measured.items():
        print(f"{weight:<6g}" + "".join(_cell(found[name][metric]) for name, metric in COLUMNS))


def _cell(one: Interval) -> str:
    return f"{f'{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})':>22}"


if __name__ == "__main__":
    main()
