from __future__ import annotations

from bouba.training.data.media import File
from bouba.training.judge import Questions
from bouba.training.keywords import keyword_questions

PICTURES = tuple(File("", str(row)) for row in range(4))


def asked(*captions: tuple[str, str, str]) -> Questions:
    texts = tuple(text for three in captions for text in three)
    return Questions("photos", PICTURES, texts, tuple((row,) for row in range(len(captions)) for _ in range(3)))


def test_words_that_captions_say_ask_for_the_pictures_they_say_them_of() -> None:
    made = keyword_questions(
        asked(
            ("A dog runs.", "The dog is here", "an animal"),
            ("dog and cat", "A Dog!", "two"),
            ("dog", "a dog", "a cat"),
            ("the sea", "sea", "a dog far away"),
        )
    )
    assert made is not None
    assert made.texts == ("dog",)  # "cat" and "sea" are surely there in fewer than three pictures
    assert made.relevant == ((0, 1, 2, 3),)  # one caption is enough to show a dog
    assert made.pictures == PICTURES


def test_pictures_with_fewer_than_three_captions_say_too_little_of_what_is_not_there() -> None:
    questions = Questions("web", PICTURES, ("a dog", "a dog", "the dog", "dog"), ((0,), (1,), (2,), (3,)))
    assert keyword_questions(questions) is None
