"""Builds the model that ships inside bouba: `python -m bouba.training.v1 --data DATA --out FOLDER --cache FOLDER`.

One vector holds two sources of knowledge side by side: a *scene block* (heads trained on captions and names) and a
*label block* (the classifier's classes, said in the text tower's words). The cosine of two vectors is the weighted
mean of their blocks' cosines, so every index serves it as one vector.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from tokenizers import Tokenizer

from bouba.training.labels import fit_label_transfer, naming_texts
from bouba.training.v1 import export, towers
from bouba.training.v1.blocks import ImageBlocks, TextBlocks
from bouba.training.v1.features import Floats, ImageFeatures, image_features, open_session, read_pixels, text_features
from bouba.training.v1.folder import write_manifest
from bouba.training.v1.heads import HeadsConfig, TrainingSet, train_heads
from bouba.training.v1.labels import likely_classes
from bouba.training.v1.pairs import SOURCES, Pair, read_pairs

LABEL_DIM = 192
LABEL_WEIGHT = 0.5  # a balance: more finds unseen class names better, and captions worse (README of the model)
MIN_ODDS = 0.4  # from here on the classifier's first guess counts as the picture's name
PER_STEP = {"flickr8k": 448, "web": 160, "scenes": 48, "objects": 64, "names": 64}
CALIBRATION_PHOTOS = 300


class Trunks:
    """The frozen networks as ONNX graphs in the cache, and what they say of pictures and texts."""

    def __init__(self, cache: Path, calibration: Sequence[Path], threads: int) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self.cache = cache
        self.image_graph, self.text_graph = cache / "image_trunk.onnx", cache / "text_trunk.onnx"
        if not self.image_graph.exists():
            _export_image_trunk(self.image_graph, calibration)
        if not self.text_graph.exists():
            _export_text_trunk(self.text_graph)
        self._image, self._text = open_session(self.image_graph, threads), open_session(self.text_graph, threads)
        self._tokenizer = Tokenizer.from_str(towers.tokenizer_json())
        self._tokenizer.enable_padding()
        self._tokenizer.enable_truncation(towers.MAX_TOKENS)

    def images(self, paths: Sequence[Path], mirrored: bool = False) -> ImageFeatures:
        return image_features(self._image, paths, self.cache / "images", mirrored)

    def texts(self, texts: Sequence[str]) -> Floats:
        return text_features(self._text, self._tokenizer, texts, self.cache / "texts")


def _export_image_trunk(path: Path, calibration: Sequence[Path]) -> None:
    exact = path.with_name("image_trunk_float.onnx")
    pixels = torch.zeros(1, towers.IMAGE_SIZE, towers.IMAGE_SIZE, 3, dtype=torch.uint8)
    export.export(towers.ImageTrunk(), {"pixels": pixels}, ["features", "logits"], exact)
    export.quantise_image_trunk(exact, path, (read_pixels(photo)[None] for photo in calibration))


def _export_text_trunk(path: Path) -> None:
    ids = torch.tensor([[101, 3899, 102, 0], [101, 3899, 2003, 102]])
    export.export(towers.TextTrunk(), {"input_ids": ids, "attention_mask": ids.clamp(max=1)}, ["features"], path)
    onnx.save(export.shrink_weights(onnx.load(path)), path)


def caption_set(name: str, pairs: Sequence[Pair], trunks: Trunks, mirrored: bool, first_group: int) -> TrainingSet:
    """Pictures with their own texts. Pictures with the same first text (their label, say) are one group."""
    paths = [pair.image for pair in pairs]
    views = [trunks.images(paths).features] + ([trunks.images(paths, True).features] if mirrored else [])
    texts = sorted({text for pair in pairs for text in pair.texts})
    rows = {text: row for row, text in enumerate(texts)}
    groups = [first_group + rows[pair.texts[0]] for pair in pairs]
    return TrainingSet(
        torch.tensor(np.stack(views)),
        torch.tensor(trunks.texts(texts)),
        _filled([[rows[text] for text in pair.texts] for pair in pairs]),
        torch.tensor(groups),
        PER_STEP[name],
    )


def names_set(seen: ImageFeatures, names: Sequence[Sequence[str]], trunks: Trunks, first_group: int) -> TrainingSet:
    """Pictures that the classifier is sure of, with the names of what it sees: it teaches the heads its words."""
    classes, sure = likely_classes(seen.logits, MIN_ODDS)
    texts = naming_texts(names)
    ends = list(itertools.accumulate(len(group) for group in texts))
    owned = [list(range(end - len(group), end)) for group, end in zip(texts, ends, strict=True)]
    return TrainingSet(
        torch.tensor(seen.features[sure])[None],
        torch.tensor(trunks.texts([text for group in texts for text in group])),
        _filled([owned[c] for c in classes[sure]]),
        torch.tensor(first_group + classes[sure]),
        PER_STEP["names"],
    )


def _filled(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Lists of unlike length -> one matrix; the short ones start again from their beginning."""
    width = max(map(len, rows))
    return torch.tensor([list(itertools.islice(itertools.cycle(row), width)) for row in rows])


def training_sets(pairs: dict[str, list[Pair]], names: Sequence[Sequence[str]], trunks: Trunks) -> list[TrainingSet]:
    sets = [
        caption_set(name, pairs[name], trunks, mirrored=name == "flickr8k", first_group=index * 1_000_000)
        for index, name in enumerate(pairs)
    ]
    seen = [trunks.images([pair.image for pair in group]) for group in pairs.values()]
    every = ImageFeatures(np.concatenate([s.features for s in seen]), np.concatenate([s.logits for s in seen]))
    return [*sets, names_set(every, names, trunks, first_group=len(sets) * 1_000_000)]


def calibration_photos(pairs: dict[str, list[Pair]]) -> list[Path]:
    """An even sample of every source's photos."""
    share = CALIBRATION_PHOTOS // len(pairs)
    return [group[i * len(group) // share].image for group in pairs.values() for i in range(share)]


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="The folder of data sets.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The model folder to write.")
@click.option(
    "--cache", type=click.Path(path_type=Path), required=True, help="Graphs and features, kept for the next run."
)
@click.option("--threads", default=1, show_default=True, help="Processor threads.")
def main(data: Path, out: Path, cache: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    pairs = {source.name: read_pairs(data, source, "train") for source in SOURCES}
    names = towers.class_names()
    trunks = Trunks(cache, calibration_photos(pairs), threads)
    click.echo("Trunks are ready; reading features.", err=True)
    sets = training_sets(pairs, names, trunks)
    heads = train_heads(sets, HeadsConfig(), lambda line: click.echo(line, err=True))
    captions = sets[0].texts.numpy()
    transfer = fit_label_transfer(naming_texts(names), trunks.texts, captions, LABEL_DIM)
    out.mkdir(parents=True, exist_ok=True)
    _write_towers(
        trunks, ImageBlocks(heads.image, transfer, LABEL_WEIGHT), TextBlocks(heads.text, transfer, LABEL_WEIGHT), out
    )
    write_manifest(out, HeadsConfig().dim + LABEL_DIM, {name: len(group) for name, group in pairs.items()})
    click.echo(f"{out}: {sum(f.stat().st_size for f in out.iterdir()) / 1e6:.1f} MB", err=True)


def _write_towers(trunks: Trunks, image: ImageBlocks, text: TextBlocks, out: Path) -> None:
    head = trunks.cache / "head.onnx"
    features = {"features": torch.zeros(1, towers.IMAGE_FEATURES), "logits": torch.zeros(1, towers.CLASSES)}
    export.export(image, features, ["embedding"], head)
    onnx.save(export.shrink_weights(export.join(trunks.image_graph, head, list(features))), out / "image.onnx")
    features = {"features": torch.zeros(1, towers.TEXT_FEATURES)}
    export.export(text, features, ["embedding"], head)
    onnx.save(export.shrink_weights(export.join(trunks.text_graph, head, list(features))), out / "text.onnx")
    (out / "tokenizer.json").write_text(towers.tokenizer_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
