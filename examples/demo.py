"""`make demo`: index the photographs that come with scikit-image, and find some again by words and by picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import bouba
from bouba.sheet import save_sheet

OUT = Path("demo-output")
QUESTIONS = [
    "a cup of coffee",
    "a cat",
    "a rocket",
    "a motorcycle in a garage",
    "a man with a camera",
    "a horse",
]


def main() -> None:
    import skimage

    photos = Path(skimage.__file__).parent / "data"
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    with bouba.open(OUT / "gallery.bouba") as gallery:
        report = gallery.add(photos)
        print(f"Indexed {report.added} photographs of scikit-image in {report.seconds:.1f} s.\n")
        for question in QUESTIONS:
            best = gallery.search(question, k=1)[0]
            print(f"  {question:<26} -> {Path(best.path).name:<24} {best.score:.3f}")
        like = gallery.search(image=photos / "motorcycle_left.png", k=2, raw=True)[1]  # unfolded: they are much alike
        print(f"  {'like motorcycle_left.png':<26} -> {Path(like.path).name:<24} {like.score:.3f}")
        save_sheet(gallery.search(QUESTIONS[0], k=8), OUT / "coffee.png", QUESTIONS[0])
    print(f"\nThe eight nearest to '{QUESTIONS[0]}' as one picture: {OUT / 'coffee.png'}")
    print("\nNow your own photographs (activate the environment first:  . .venv/bin/activate):")
    print("  bouba add ~/Pictures")
    print("  bouba search a dog running on the beach --open")


if __name__ == "__main__":
    main()
