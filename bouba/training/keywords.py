"""Short questions whose answers are known: words that captions say of pictures.

Nobody writes captions as people search. "dog" is right for every picture of which some caption says "dog", and a
model's scores for it are worth something else than those for a sentence."""

from __future__ import annotations

import re

from bouba.evaluation.perturb.words import STOP_WORDS
from bouba.training.judge import Questions

MOST = 300  # words, the most frequent ones
FEWEST = 3  # pictures that a word is said of
SAID = 2  # captions of one of them that say it, so that it is about the picture and no slip
CAPTIONS = 3  # of a picture, from which on what nobody says is likely not to be seen
_WORD = re.compile(r"[^\W\d_]{3,}")


def keyword_questions(questions: Questions) -> Questions | None:
    """The words of a set's captions as questions, with and without an article; None where pictures have too few."""
    said: list[dict[str, int]] = [{} for _ in questions.pictures]
    for text, rows in zip(questions.texts, questions.relevant, strict=True):
        for word in set(_WORD.findall(text.lower())) - STOP_WORDS:
            for row in rows:
                said[row][word] = said[row].get(word, 0) + 1
    captions = [0] * len(said)
    for rows in questions.relevant:
        for row in rows:
            captions[row] += 1
    if not captions or sorted(captions)[len(captions) // 2] < CAPTIONS:
        return None
    seen: dict[str, list[int]] = {}
    sure: dict[str, int] = {}
    for row, words in enumerate(said):
        for word, count in words.items():
            seen.setdefault(word, []).append(row)
            sure[word] = sure.get(word, 0) + (count >= SAID)
    kept = sorted((word for word in seen if sure[word] >= FEWEST), key=lambda word: (-sure[word], word))[:MOST]
    texts = tuple(f"a {word}" if number % 2 else word for number, word in enumerate(kept))
    relevant = tuple(tuple(seen[word]) for word in kept)
    return Questions(f"{questions.name} keywords", questions.pictures, texts, relevant) if kept else None
