"""What a finished model's scores are worth: calibration, bank and background, written into its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.encoders import Model, load_model
from bouba.encoders.manifest import Trust
from bouba.errors import TrainingError
from bouba.ranking.calibration import FEW_WORDS
from bouba.ranking.fitting import Judged, fit_calibration
from bouba.ranking.hubness import hub_bias
from bouba.training.bank import NEIGHBOURS, SIZE, STRENGTH, bank_texts
from bouba.training.export.folder import sha256, write_json
from bouba.training.export.place import BACKGROUND, BANK, CALIBRATION
from bouba.training.finish import Embedded, embedded, encode_pictures
from bouba.training.keywords import keyword_questions
from bouba.training.pairs import Pairs

if TYPE_CHECKING:
    from bouba.ranking.calibration import Calibration
    from bouba.training.data.media import Media
    from bouba.types import Vectors

BACKGROUND_PICTURES = 256
LEAST = 50  # queries, and pictures, of all sets together: fewer say nothing
LEAST_OF_A_SET = 10  # queries of a kind
PICTURES = 2000  # of one set
Note = Callable[[str], None]


def calibrate(
    folder: Path, pairs: Pairs, note: Note = lambda text: None, *, known: Vectors | None = None
) -> list[Embedded]:
    """Fit the model in `folder` on what `pairs` hold out of training, with a bank of the texts trained on.

    `known` [n, dim] are queries that the model knew before: with a bank of its own few texts alone it would lose the
    pictures that those find. Returns the sets as the model sees them. With too few held out nothing is written but a
    note. Raises TrainingError where the folder cannot be written, MediaError for a picture that cannot be read."""
    model = load_model(folder)
    sets = [embedded(model, questions) for questions in (*pairs.own, *pairs.general)]
    counts = sum(len(s.texts) for s in sets), sum(len(s.pictures) for s in sets)
    texts = bank_texts(pairs.train)
    if min(counts) < LEAST or not texts:
        note(
            f"Not calibrated: {counts[0]} texts and {counts[1]} pictures are held out, and it takes {LEAST} of both. "
            "Hits will have scores, and no probabilities."
        )
        return sets
    bank = np.asarray(_bank(model.encode_text(texts), known).astype(np.float16), np.float32)
    record = {
        "hubs": {"neighbours": NEIGHBOURS, "strength": STRENGTH},
        "kinds": {kind: fitted.to_dict() for kind, fitted in _kinds(model, sets, bank)},
        "fitted_on": [{"name": s.questions.name, "texts": len(s.texts), "pictures": len(s.pictures)} for s in sets],
    }
    _write(model, record, bank, encode_pictures(model, _some_pictures(pairs)))
    return sets


def _bank(own: Vectors, known: Vectors | None) -> Vectors:
    """At most SIZE rows, of which those known before give what is missing, and half at least."""
    if known is None:
        return own
    draw = np.random.default_rng(0)
    own = own[np.sort(draw.permutation(len(own))[: SIZE // 2])]
    return np.concatenate([own, known[np.sort(draw.permutation(len(known))[: SIZE - len(own)])]])


def text_queries(one: Embedded, bank: Vectors) -> Judged:
    """A set's texts asking for its pictures, hubs countered."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(one.pictures))[:PICTURES])
    place = {int(row): n for n, row in enumerate(chosen)}
    about = [[place[row] for row in rows if row in place] for rows in one.questions.relevant]
    asked = [n for n, rows in enumerate(about) if rows]
    right = np.zeros((len(asked), len(chosen)), bool)
    for n, row in enumerate(asked):
        right[n, about[row]] = True
    words = tuple(len(one.questions.texts[row].split()) for row in asked)
    pictures = one.pictures[chosen]
    bias = hub_bias(pictures, bank, neighbours=NEIGHBOURS, strength=STRENGTH)
    return Judged(one.texts[asked], words, pictures, bias, right)


def picture_queries(one: Embedded) -> Judged | None:
    """A set's pictures asking for others of the same text; None where each has one of its own."""
    groups = [rows for rows in one.questions.relevant if len(rows) > 1]
    label = np.full(len(one.pictures), -1)
    for number, rows in enumerate(groups):
        label[list(rows)] = number
    chosen = np.flatnonzero(label >= 0)
    if len(groups) < 2:
        return None
    chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:PICTURES])
    right = label[chosen][:, None] == label[chosen][None, :]
    np.fill_diagonal(right, False)
    asked = np.flatnonzero(right.any(axis=1))
    pictures = one.pictures[chosen]
    nothing = np.zeros(len(chosen), np.float32)
    own = tuple(int(row) for row in asked)
    return Judged(pictures[asked], (0,) * len(asked), pictures, nothing, right[asked], own) if len(asked) else None


def _kinds(model: Model, sets: Sequence[Embedded], bank: Vectors) -> Iterator[tuple[str, Calibration]]:
    texts = [text_queries(one, bank) for one in [*sets, *_keywords(model, sets)]]
    for kind, few in (("keywords", True), ("text", False)):
        asked = [some for one in texts if len((some := of_length(one, few)).queries) >= LEAST_OF_A_SET]
        if asked:
            yield kind, fit_calibration(asked)
    pictures = [asked_by for one in sets if (asked_by := picture_queries(one)) is not None]
    if sum(len(asked_by.queries) for asked_by in pictures) >= LEAST:
        yield "image", fit_calibration(pictures)


def _keywords(model: Model, sets: Sequence[Embedded]) -> Iterator[Embedded]:
    for one in sets:
        if (asked := keyword_questions(one.questions)) is not None:
            yield Embedded(asked, one.pictures, model.encode_text(asked.texts))


def of_length(one: Judged, few: bool) -> Judged:
    """Its queries of few words, or those of more."""
    rows = [row for row, words in enumerate(one.words) if (words <= FEW_WORDS) == few]
    words = tuple(one.words[row] for row in rows)
    return replace(one, queries=one.queries[rows], words=words, right=one.right[rows])


def _some_pictures(pairs: Pairs) -> list[Media]:
    """A few of each training file, evenly."""
    files = [[r.image for r in records if r.image is not None] for _, records in pairs.train]
    share = -(-BACKGROUND_PICTURES // max(1, sum(bool(f) for f in files)))
    return [picture for f in files for picture in f[:: max(1, len(f) // share)][:share]][:BACKGROUND_PICTURES]


def _write(model: Model, record: dict[str, Any], bank: Vectors, background: Vectors) -> None:
    """model.json comes last, and in one step: until then the folder is as it was."""
    folder = model.folder
    try:
        write_json(folder / CALIBRATION, record)
        np.save(folder / BANK, bank.astype(np.float16))
        np.save(folder / BACKGROUND, background.astype(np.float16))
        hashes = {name: sha256(folder / name) for name in (CALIBRATION, BANK, BACKGROUND)}
        manifest = model.manifest
        trusted = replace(manifest, trust=Trust(CALIBRATION, BANK, BACKGROUND), sha256={**manifest.sha256, **hashes})
        write_json(folder / "model.json.new", asdict(trusted))
        os.replace(folder / "model.json.new", folder / "model.json")
    except OSError as error:
        raise TrainingError(
            f"{folder} cannot be written: {error.strerror or error}. The model is as it was."
        ) from error
