"""How much an item's words say that it is what was asked for, beside its picture.

A calibrated sum: the words' evidence is counted in standard deviations of the query's background and added to the
score, from which the probability then follows as for the picture alone. Reciprocal rank fusion (Cormack, Clarke and
Büttcher, SIGIR 2009), which knows ranks alone, was measured against it and lost wherever words say little or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

K1, B = 1.2, 0.75  # BM25's own (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009)
FIELD_WEIGHTS = (2.0, 1.0, 0.5)  # of titles, other attributes, path
STRENGTH = 3.0  # standard deviations for an item that has all of the query's words
AGREEMENT = 0.5  # standard deviations by which the pictures behind words stand out where those describe pictures
WHOLE = 0.9  # share of what was asked that an item's words have, at which they need no picture's word for it


def word_weights(holding: Sequence[int], texts: int) -> Floats:
    """Inverse document frequency [words] from how many of `texts` items hold each; 0 for those of more than half.

    A word that no item holds has the highest weight: nothing is asked more particularly."""
    n = np.asarray(holding, np.float64)
    return np.where(n > texts / 2, 0.0, np.log1p((texts - n + 0.5) / (n + 0.5)))


def frequencies(texts: Sequence[Sequence[str]], words: Sequence[Sequence[str]]) -> tuple[Floats, Floats]:
    """How often each text [n], given as its fields, has each query word [words] in any of its forms, by field weight
    (BM25F; Zaragoza et al., TREC 2004), and how many words it has [n]."""
    forms: Mapping[str, int] = {form: column for column, group in enumerate(words) for form in group}
    counts, lengths = np.zeros((len(texts), len(words))), np.zeros(len(texts))
    for row, fields in enumerate(texts):
        for weight, field in zip(FIELD_WEIGHTS, fields, strict=True):
            said = field.split()
            lengths[row] += len(said)
            for word in said:
                if word in forms:
                    counts[row, forms[word]] += weight
    return counts, lengths


def bm25(counts: Floats, lengths: Floats, mean_length: float, weights: Floats) -> Floats:
    """[n] for frequencies [n, words], lengths [n] and word weights [words]."""
    norm = K1 * (1 - B + B * lengths / max(mean_length, 1.0))
    return np.asarray((counts * (K1 + 1) / (counts + norm[:, None])) @ weights)


def coverage(relevance: Floats, weights: Floats, holding: Sequence[int]) -> Floats:
    """BM25 [n] as a share of what the query's words could say in this gallery: of those that some item holds."""
    sayable = float(weights[np.asarray(holding) > 0].sum())
    return relevance / sayable if sayable > 0 else np.zeros_like(relevance)


def whole(counts: Floats, weights: Floats) -> npt.NDArray[np.bool_]:
    """Which texts [n] have practically all that was asked, unknown words included."""
    asked = float(weights.sum())
    return (counts > 0) @ weights >= WHOLE * asked if asked > 0 else np.zeros(len(counts), np.bool_)


def agreement(covered: Floats, deviations: Floats) -> float:
    """From 0 to 1: do pictures agree with the words? How far items that have them stand out, by their coverage [n] and
    their scores [n] in standard deviations above the background, less the standard error of that mean (with Kish's
    effective number of items), so that a few chance neighbours are no agreement.

    To be asked of items that were found by words alone: the nearest pictures stand out whatever their words say."""
    weights = covered**2
    total = float(weights.sum())
    if total <= 0:
        return 0.0
    stand_out = float(weights @ deviations) / total - float(np.sqrt((weights**2).sum())) / total
    return float(np.clip(stand_out / AGREEMENT, 0, 1))


def evidence(covered: Floats, complete: npt.NDArray[np.bool_], agreed: float) -> Floats:
    """What to add to each item's score [n], in standard deviations of the background."""
    return STRENGTH * covered * np.where(complete, 1.0, agreed)
