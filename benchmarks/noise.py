"""Training and auditing with wrong pairs: a share of Flickr8k's training captions changes places between photos.

    python -m benchmarks.noise --data DATA [--cache FILE] [--noise 0 0.2 0.4] [--steps N] [--seed N] [--json]

Small heads are trained on frozen features (EfficientNet-Lite2, all-MiniLM-L6-v2) that know nothing of Flickr8k: the
built-in model has seen the right pairs, and using it would be a leak. "plain" is InfoNCE on the pairs as they are;
"aware" first asks `score_pairs`, drops what is believed wrong and weighs the rest. hit@10 is text-to-image on the val
split (1,000 photos, 5,000 captions); detection is of the training pairs, at the default threshold. "losses" is the
usual way for comparison: two Gaussians on each pair's loss after a short warm-up. All uses of the val split are these.
`--cache` keeps the features (npz); to compute them takes a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bouba.encoders.model import fit_picture
from bouba.evaluation.data import EvaluationSet, read_set
from bouba.evaluation.metrics import hit_rate_at_k
from bouba.evaluation.ranks import Relevance, rank_vectors
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval
from bouba.media import load_image
from bouba.training.dual import Head
from bouba.training.features import by_length
from bouba.training.learner import tokeniser
from bouba.training.losses import info_nce, per_pair_loss
from bouba.training.noise import PairSet, score_pairs, trust_from_losses
from bouba.training.noise.pairs import Bools, Doubles, Floats, Ints
from bouba.training.noise.trust import SUSPECT

DIM, HIDDEN, DROPOUT, SCALE = 256, 512, 0.5, 20.0
BATCH, WARMUP = 384, 120


@dataclass(frozen=True, slots=True)
class Split:
    """Frozen features of one split, and its pairs [p, 2] as rows of them."""

    images: Floats
    texts: Floats
    pairs: Ints


@dataclass(frozen=True, slots=True)
class Detection:
    """How well the wrong pairs were found."""

    believed_wrong: int
    precision: float
    recall: float
    f1: float
    false_alarms: float  # share of the right pairs


@dataclass(frozen=True, slots=True)
class Row:
    """Everything measured at one level of noise."""

    noise: float
    plain: Interval
    aware: Interval
    detection: Detection
    losses: Detection
    estimated_wrong: tuple[float, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds flickr8k/pairs.jsonl")
    parser.add_argument("--cache", type=Path, default=Path("noise-features.npz"))
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.2, 0.4])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train, val = frozen_features(arguments.data / "flickr8k" / "pairs.jsonl", arguments.cache)
    rows = []
    for noise in arguments.noise:
        rows.append(measure(train, val, noise, arguments.steps, arguments.seed))
        if not arguments.json:
            print("\n".join(([] if len(rows) > 1 else HEADING) + [line(rows[-1])]), flush=True)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))


def measure(train: Split, val: Split, noise: float, steps: int, seed: int) -> Row:
    pairs, wrong = exchanged(train.pairs, noise, seed)
    scores = score_pairs(PairSet(train.images, train.texts, pairs), seed=seed)
    plain, early = train_heads(train, pairs, np.ones(len(pairs)), steps, seed)
    kept = scores.p_right >= SUSPECT
    aware = plain  # the same run where every pair counts in full
    if scores.p_right.min() < 1:
        aware, _ = train_heads(train, pairs[kept], scores.p_right[kept], steps, seed)
    by_loss = trust_from_losses(pair_losses(early, train, pairs, seed))
    return Row(
        noise,
        judged(plain, val),
        judged(aware, val),
        detection(scores.p_right, wrong),
        detection(by_loss, wrong),
        (scores.wrong.value, scores.wrong.low, scores.wrong.high),
    )


def exchanged(pairs: Ints, share: float, seed: int) -> tuple[Ints, Bools]:
    """A share of the pairs swap their texts among one another, none getting one of its own photo; and which did."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(pairs))[: round(share * len(pairs))]
    order = rng.permutation(len(rows))
    while len(clashes := np.flatnonzero(pairs[rows[order], 0] == pairs[rows, 0])):
        for clash in clashes:
            other = rng.integers(len(rows))
            order[[clash, other]] = order[[other, clash]]
    out, wrong = pairs.copy(), np.zeros(len(pairs), np.bool_)
    out[rows, 1], wrong[rows] = pairs[rows[order], 1], True
    return out, wrong


def train_heads(
    train: Split, pairs: Ints, weights: Doubles, steps: int, seed: int
) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Heads trained by InfoNCE, their weights averaged; and as they were after WARMUP steps."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images, texts, trust = torch.tensor(train.images), torch.tensor(train.texts), torch.tensor(weights).float()
    image_head, text_head = (Head(features.shape[1], DIM, HIDDEN, DROPOUT) for features in (images, texts))
    image_head.standardise(images)
    text_head.standardise(texts)
    heads = nn.ModuleList([image_head, text_head])
    averaged, early = copy.deepcopy(heads).eval(), heads
    log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))
    optimiser = torch.optim.AdamW([*heads.parameters(), log_scale], lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps, pct_start=0.1)
    pairs_of = np.split(
        np.argsort(pairs[:, 0], kind="stable"), np.cumsum(np.unique(pairs[:, 0], return_counts=True)[1])
    )
    for step in range(1, steps + 1):
        photos = rng.permutation(len(pairs_of) - 1)[:BATCH]  # a photo once a batch: its other captions are no negatives
        rows = np.array([rng.choice(pairs_of[photo]) for photo in photos])
        loss = info_nce(
            image_head(images[pairs[rows, 0]]), text_head(texts[pairs[rows, 1]]), log_scale.exp(), weights=trust[rows]
        )
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for mean, new in zip(averaged.parameters(), heads.parameters(), strict=True):
                mean.lerp_(new, 1 - min(0.99, step / (step + 10)))
        if step == min(WARMUP, steps):
            early = copy.deepcopy(averaged)
    return averaged, early


@torch.no_grad()
def pair_losses(heads: nn.ModuleList, train: Split, pairs: Ints, seed: int) -> Doubles:
    """Each pair's loss among 1,023 others."""
    images, texts = heads[0](torch.tensor(train.images)), heads[1](torch.tensor(train.texts))
    out = np.zeros(len(pairs))
    order = np.random.default_rng(seed).permutation(len(pairs))
    for start in range(0, len(order), 1024):
        rows = order[start : start + 1024]
        out[rows] = per_pair_loss(images[pairs[rows, 0]], texts[pairs[rows, 1]], SCALE).numpy()
    return out


@torch.no_grad()
def judged(heads: nn.ModuleList, val: Split) -> Interval:
    """Text-to-image hit@10; whole photos are resampled."""
    images, texts = heads[0](torch.tensor(val.images)).numpy(), heads[1](torch.tensor(val.texts)).numpy()
    relevance = Relevance.of_lists([[int(image)] for image in val.pairs[:, 0]], len(images))
    hits = hit_rate_at_k(rank_vectors(texts[val.pairs[:, 1]], images, relevance), 10)
    return bootstrap_interval(hits, groups=val.pairs[:, 0])


def detection(p_right: Doubles, wrong: Bools) -> Detection:
    flagged = p_right < SUSPECT
    found = int((flagged & wrong).sum())
    precision, recall = found / max(1, int(flagged.sum())), found / max(1, int(wrong.sum()))
    f1 = 2 * precision * recall / max(1e-12, precision + recall)
    return Detection(int(flagged.sum()), precision, recall, f1, float((flagged & ~wrong).sum() / (~wrong).sum()))


def frozen_features(path: Path, cache: Path) -> tuple[Split, Split]:
    """Features of the train and the val split, from `cache` if it is there."""
    sets = {split: read_set(path, split=split) for split in ("train", "val")}
    if not cache.exists():
        stored = {name: rows for split, data in sets.items() for name, rows in compute(split, data).items()}
        np.savez(cache, allow_pickle=False, **stored)
    with np.load(cache) as there:
        train, val = (
            Split(there[f"{split}_images"], there[f"{split}_texts"], pairs_of(data)) for split, data in sets.items()
        )
    return train, val


def pairs_of(data: EvaluationSet) -> Ints:
    rows = {text: row for row, text in enumerate(dict.fromkeys(data.texts))}
    return np.array([(image, rows[text]) for text, own in zip(data.texts, data.relevant, strict=True) for image in own])


@torch.no_grad()
def compute(split: str, data: EvaluationSet) -> dict[str, Floats]:
    from bouba.training.towers import open_image_tower, open_text_tower

    image_tower, text_tower = open_image_tower("efficientnet-lite2"), open_text_tower("minilm-l6")
    tokenise = tokeniser(text_tower)
    images = []
    for start in range(0, len(data.images), 32):
        rgb = [load_image(path).rgb for path in data.images[start : start + 32]]
        square = [fit_picture(each, image_tower.size, image_tower.resize, image_tower.interpolation) for each in rgb]
        images.append(image_tower(torch.from_numpy(np.stack(square))).numpy())
    texts = by_length(list(dict.fromkeys(data.texts)), lambda some: text_tower(*tokenise(some)).numpy())
    return {f"{split}_images": np.concatenate(images), f"{split}_texts": texts}


HEADING = [
    f"{'':>6}{'hit@10 in %':^42}{'wrong pairs found':^36}{'by losses':^22}",
    f"{'noise':>6}{'plain':>21}{'aware':>21}{'believed':>10}{'P':>7}{'R':>7}{'alarms':>9}{'P':>9}{'R':>7}{'alarms':>8}",
]


def line(row: Row) -> str:
    def hits(figure: Interval) -> str:
        return f"{figure.value:>8.1%} {f'({figure.low:.1%}-{figure.high:.1%})':>15}".replace("%", "")

    found, usual = row.detection, row.losses
    return (
        f"{row.noise:>6.0%}{hits(row.plain):>21}{hits(row.aware):>21}{found.believed_wrong:>10,}"
        f"{found.precision:>7.3f}{found.recall:>7.3f}{found.false_alarms:>9.2%}"
        f"{usual.precision:>9.3f}{usual.recall:>7.3f}{usual.false_alarms:>8.1%}"
    )


if __name__ == "__main__":
    main()
