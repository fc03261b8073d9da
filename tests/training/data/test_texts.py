from __future__ import annotations

from collections import Counter

from bouba.training.data.texts import TextVariety, varied


def _forms(text: str, variety: TextVariety, seed: int = 0) -> Counter[str]:
    return Counter(varied(text, variety, seed=seed, view=view) for view in range(300))


def test_nothing_changes_by_default() -> None:
    assert set(_forms("A red Dog.", TextVariety())) == {"A red Dog."}


def test_keywords_and_lower_case() -> None:
    words = _forms("A dog is on the beach.", TextVariety(keywords=0.5))
    assert set(words) == {"A dog is on the beach.", "dog beach"}
    assert 100 < words["dog beach"] < 200
    assert set(_forms("The who", TextVariety(keywords=1.0))) == {"The who"}
    assert set(_forms("A Dog", TextVariety(lower_case=1.0))) == {"a dog"}


def test_same_seed_same_forms() -> None:
    variety = TextVariety(keywords=0.5, lower_case=0.5)
    walks = [[varied("One Text of two.", variety, seed=s, view=v) for v in range(50)] for s in (1, 1, 2)]
    assert walks[0] == walks[1] != walks[2]
