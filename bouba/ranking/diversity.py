"""Hits that differ: copies of one picture folded under the first of them, and a choice of hits that are unlike.

A copy is told by three witnesses that err differently. The perceptual hash (Zauner 2010, section 3.2, see
`bouba.media`) sees where light and dark lie, and takes any two shoes on white for one. The model's vector sees what is
shown, and takes any two beagles on a lawn for one. The miniature (16 x 16 colours, see `bouba.media.miniature`) sees
what is where, and takes a cropped copy for another picture. A mirrored picture is another picture: left and right
matter in a radiograph, a pair of shoes, a written word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bouba.types import Vectors

Words = npt.NDArray[np.uint64]  # [n], perceptual hashes
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Look = Callable[[Ints], Floats]  # rows -> their miniatures [rows, 768]; NaN where there is none

# Chosen on training pictures: python -m benchmarks.duplicates --split train
MAX_BITS = 10  # of 64 that may differ
SAME_BITS, SAME_COSINE = 2, 0.99  # so near that nothing more is asked
SEEN_COSINE, MAX_DIFFERENCE, AGREEING = 0.5, 0.3, 0.95  # where miniatures agree: spreads, share of their colours
BUSY_COSINE, BUSY = 0.85, 0.2  # where hash and vector suffice: no shade covers more than this share of either picture
MIN_SET_BITS = 20  # a picture with structure sets 27 to 32 of 64; a plain one 0, as any other plain one
_SHADE = 0.1  # spreads
RELEVANCE = 0.6  # python -m benchmarks.diversity --split train
CHOICE = 3  # candidates for each hit that `diverse` is to choose
MOST_DIVERSE = 1000  # hits: what all candidates have in common with each other is held in memory


def hash_words(phashes: Sequence[str]) -> Words:
    """Perceptual hashes of 16 hex digits as [n] words; 0, a plain picture's, for what is none."""
    return np.array([int(text, 16) if len(text) == 16 else 0 for text in phashes], np.uint64)


def telling(words: Words) -> Bools:
    """Which hashes [n] tell their picture from others; those of plain pictures (a white page, a black frame) do not."""
    return np.asarray(np.bitwise_count(words) >= MIN_SET_BITS)


def fold(
    words: Words, vectors: Vectors, look: Look, *, limit: int | None = None, max_bits: int = MAX_BITS
) -> list[list[int]]:
    """Rows in the order of their ranks, as groups of near-duplicates: [leader, its copies...], best leader first.

    A row joins the first leader that it is a copy of, else it leads a group of its own. Only leaders attract: a chain
    of pictures, each a little unlike the one before, never joins its ends. With `limit`, that many groups, with all
    their copies among the rows. `words` is [n], see `hash_words`; `vectors` is [n, dim], rows of length 1; `look` is
    asked only where hash and vector leave a doubt."""
    groups: list[list[int]] = []
    left, clear = np.arange(len(words)), telling(words)
    while len(left) and (limit is None or len(groups) < limit):
        leader, left = int(left[0]), left[1:]
        copies = left[:0]
        if clear[leader]:
            bits = np.bitwise_count(words[left] ^ words[leader])
            near = left[(bits <= max_bits) & clear[left]]
            copies = near[_are_copies(leader, near, words, vectors, look)] if len(near) else near
            left = np.setdiff1d(left, copies, assume_unique=True) if len(copies) else left
        groups.append([leader, *copies.tolist()])
    return groups


def _are_copies(leader: int, rows: Ints, words: Words, vectors: Vectors, look: Look) -> Bools:
    """Which of the rows, near by hash, show the leader's picture."""
    cosines = vectors[rows] @ vectors[leader]
    copies = (np.bitwise_count(words[rows] ^ words[leader]) <= SAME_BITS) & (cosines >= SAME_COSINE)
    doubtful = np.flatnonzero(~copies & (cosines >= SEEN_COSINE))
    if len(doubtful):
        looks = look(np.concatenate([[leader], rows[doubtful]]))
        seen = (np.abs(looks[1:] - looks[0]) <= MAX_DIFFERENCE).mean(axis=1) >= AGREEING
        busy = _shares(looks) < BUSY
        copies[doubtful] = seen | (busy[1:] & busy[0] & (cosines[doubtful] >= BUSY_COSINE))
    return np.asarray(copies)


def _shares(looks: Floats) -> Doubles:
    """The share of each picture [n] that its commonest shade covers; NaN without a miniature.

    Products on white and radiographs on black hash alike: most of what the hash sees is background."""
    grey = np.sort(looks.reshape(len(looks), -1, 3).mean(axis=2), axis=1)
    cells = grey.shape[1]
    widths = [np.searchsorted(row, row + _SHADE, "right") - np.arange(cells) for row in grey]
    shares = np.max(widths, axis=1) / cells
    return np.where(np.isnan(grey[:, 0]), np.nan, shares)


def next_fetch(k: int, fetched: int = 0, groups: int = 0) -> int:
    """How many candidates to ask a store for, so that they fold into k groups, after `fetched` folded into `groups`.

    Ask until there are k groups, or the store has no more than it gave: at least doubled each time, what all the
    rounds cost together is a small multiple of the last."""
    if not fetched:
        return k + k // 4 + 4
    return max(2 * fetched, fetched * k // max(1, groups) + 8)


def diverse(scores: Floats | Doubles, vectors: Vectors, k: int, relevance: float = RELEVANCE) -> list[int]:
    """k rows, each good and together standing for all rows; in the order of the rows, the first always among them.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) with coverage in place of novelty (Lin and Bilmes,
    A Class of Submodular Functions for Document Summarization, ACL 2011): what is chosen next has the highest
    `relevance` x score + (1 - relevance) x how much nearer the rows now are to a chosen one, where rows count less
    by rank, as in DCG. MMR as first published takes what is unlike the chosen: above all what does not belong.

    `scores` [n] fall; they are stretched to [0, 1], since each model and kind of query has its own range. `vectors` is
    [n, dim], rows of length 1; cosines are about their mean, for all rows share what was asked. Give about `CHOICE` x k
    rows. Greedy, with Minoux's lazy evaluation (1978): n^2 cosines, and few gains computed anew."""
    if not 0 <= relevance <= 1:
        raise ValueError(f"relevance is {relevance}: it is a share, from 0 (only diverse) to 1 (only good)")
    if k >= len(scores):
        return list(range(len(scores)))
    likeness = _likeness(vectors)
    worth = relevance * _stretched(scores)
    counts = 1 / np.log2(2 + np.arange(len(scores)))
    weight = (1 - relevance) * k * counts / counts.sum()
    covered, chosen = likeness[0].copy(), [0]
    gains = worth + np.maximum(likeness - covered, 0) @ weight
    queue = [(-float(gain), row) for row, gain in enumerate(gains) if row]
    heapify(queue)
    while len(chosen) < k:
        before, row = queue[0]
        gain = float(worth[row] + np.maximum(likeness[row] - covered, 0) @ weight)
        if -before > gain + 1e-12:  # gains only shrink as more is covered: this one is looked at again in its turn
            heapreplace(queue, (-gain, row))
            continue
        heappop(queue)
        chosen.append(row)
        covered = np.maximum(covered, likeness[row])
    return sorted(chosen)


def _likeness(vectors: Vectors) -> Floats:
    """Cosines [n, n] about the mean, none below 0."""
    about = vectors - vectors.mean(axis=0)
    about /= np.maximum(np.linalg.norm(about, axis=1, keepdims=True), 1e-9)
    return np.asarray(np.maximum(about @ about.T, 0), np.float32)


def _stretched(scores: Floats | Doubles) -> Doubles:
    values = np.asarray(scores, np.float64)
    spread = float(np.ptp(values))
    return (values - values.min()) / spread if spread else np.ones(len(values))
