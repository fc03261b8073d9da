"""Questions as JSON, with their pictures and recordings as files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sound_files import chirps, write_sound

from bouba.client.questions import Asking, picture_bytes
from bouba.errors import FetchRefused, MediaEmpty, MediaMissing, MediaUnsupported
from bouba.types import AllOf, AnyOf, Query


def test_only_what_was_asked_is_sent() -> None:
    assert Asking(Query("red")).json == {"text": "red"}
    query = Query("red", concept="mine", concept_weight=2, like=("a",), unlike=("b", "c"))
    assert Asking(query).json == {
        "text": "red", "concept": "mine", "concept_weight": 2, "like": ("a",), "unlike": ("b", "c"),
    }  # fmt: skip


def test_composed_questions_are_nested_as_they_were_made() -> None:
    question = (Query("beach") & ~Query("people")) | Query("lake")
    assert Asking(question).json == {
        "any": [{"all": [{"text": "beach"}, {"not": {"text": "people"}}]}, {"text": "lake"}]
    }
    weighed = AllOf((Query("a"), AnyOf((Query("b"), Query("c")), (1, 2))), (3, 4))
    assert Asking(weighed).json == {
        "all": [{"text": "a"}, {"any": [{"text": "b"}, {"text": "c"}], "weights": [1, 2]}], "weights": [3, 4],
    }  # fmt: skip


def test_files_are_named_by_their_fields(paint, tmp_path: Path) -> None:
    red, sound = paint("red"), tmp_path / "chirps.wav"
    sound.write_bytes(write_sound(chirps(), "wav", "pcm_s16le"))
    asking = Asking(Query(image=red) & ~Query(image=red.read_bytes(), audio=str(sound), audio_as="sound"))
    first, second = asking.json["all"]
    assert [file.field for file in asking.files] == [
        first["image"]["part"], second["not"]["image"]["part"], second["not"]["audio"]["part"],
    ]  # fmt: skip
    assert [file.data for file in asking.files] == [red.read_bytes(), red.read_bytes(), sound.read_bytes()]
    assert not any("red" in file.name or "chirps" in file.name for file in asking.files)


def test_every_kind_of_picture(paint) -> None:
    red = paint("red")
    with red.open("rb") as stream:
        assert picture_bytes(stream) == red.read_bytes()
    assert picture_bytes(str(red)) == red.read_bytes()
    pixels = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    for mode in ("RGB", "CMYK", "LA"):
        held = Image.fromarray(pixels).convert(mode)
        with Image.open(io.BytesIO(picture_bytes(held))) as sent:
            assert (sent.format, sent.size, sent.mode) == ("PNG", (7, 9), "RGB")
    with Image.open(io.BytesIO(picture_bytes(Image.fromarray(pixels)))) as sent:
        np.testing.assert_array_equal(np.asarray(sent), pixels)


def test_nothing_but_pictures_and_recordings_leaves_the_machine(tmp_path: Path, paint) -> None:
    secret = tmp_path / "id_ed25519"
    secret.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(MediaUnsupported, match=r"id_ed25519: this is text"):
        Asking(Query(image=secret))
    with pytest.raises(MediaUnsupported, match=r"id_ed25519: this is text"):
        Asking(Query(audio=secret))
    with pytest.raises(MediaUnsupported):
        Asking(Query(audio=paint("red")))
    with pytest.raises(MediaMissing, match="no such file"):
        Asking(Query(image=tmp_path / "none.jpg"))
    with pytest.raises(MediaEmpty):
        Asking(Query(image=b""))


def test_addresses_are_the_servers_to_read_if_anybodys() -> None:
    url = "https://example.org/a.jpg"
    with pytest.raises(FetchRefused, match="fetch=True"):
        Asking(Query(image=url))
    asking = Asking(Query(image=url, audio=url), fetch=True)
    assert asking.json == {"image": {"url": url}, "audio": {"url": url}}
    assert asking.files == []
