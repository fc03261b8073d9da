"""Recordings as queries, on a small model that hears colours and a recogniser that writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from directions import found, hit_rate, names
from tiny_sound import (
    SOUND,
    SPOKEN,
    UNSURE,
    TinyRecogniser,
    write_hearing_model,
    write_recording,
)

import bouba
from bouba.encoders import Model, load_model
from bouba.errors import ModelMissing, QueryError
from bouba.evaluation.collection import StoredEmbeddings, within
from bouba.evaluation.data import EvaluationSet, read_set
from bouba.evaluation.embeddings import Embeddings
from bouba.evaluation.perturb import SOUND_SLICES
from bouba.evaluation.report import table, write_report
from bouba.evaluation.retrieval import compared, evaluate

Writer = Callable[..., EvaluationSet]

pytestmark = pytest.mark.usefixtures("recogniser")


@pytest.mark.parametrize(("voice", "kind"), [(SOUND, "sound"), (UNSURE, "both"), (SPOKEN, "speech")])
def test_what_is_heard_decides(voice: float, kind: str, write_set: Writer, embeddings: Embeddings) -> None:
    evaluation = evaluate(write_set(voice), embeddings, slices=False)
    direction = found(evaluation, "audio_to_image")
    assert names(evaluation) == ["text_to_image", "image_to_text", "audio_to_image"]
    assert hit_rate(direction) == hit_rate(found(evaluation, "text_to_image")) == 1.0
    counts = evaluation.to_dict()["audio_to_image"]["heard"]
    assert {name: n for name, n in counts.items() if name in ("speech", "sound", "both", "nothing")} == {
        **dict.fromkeys(("speech", "sound", "both", "nothing"), 0),
        kind: 3,
    }
    assert (counts["word_error_rate"], counts["words"]) == ((None, 0) if kind == "sound" else (0.0, 3))


def test_speech_against_the_written_texts(
    write_set: Writer, embeddings: Embeddings, recogniser: TinyRecogniser
) -> None:
    recogniser.write = {"red": "yellow thing", "green": "Yellow!", "blue": "black"}.__getitem__
    direction = found(evaluate(write_set(SPOKEN), embeddings, slices=False), "audio_to_image")
    assert direction.heard is not None
    assert direction.heard.word_error_rate == 4 / 3
    (first, *_) = direction.comparisons
    assert (first.metric, first.other, first.difference.value) == ("hit_rate@1", "the written captions", -1.0)
    (written,) = direction.slices
    assert (written.name, written.metrics["hit_rate@1"].value) == ("in writing", 1.0)
    shown = {example.query for example in direction.worst}
    assert shown == {"red.wav: “yellow thing”", "green.wav: “Yellow!”", "blue.wav: “black”"}
    assert all(Path(example.wanted).is_file() for example in direction.worst)


def test_recordings_alone_are_enough(write_set: Writer, embeddings: Embeddings) -> None:
    evaluation = evaluate(write_set(SOUND, lambda colour: {}), embeddings)
    assert names(evaluation) == ["audio_to_image", "image_to_image"]
    assert found(evaluation, "audio_to_image").comparisons == ()
    assert hit_rate(found(evaluation, "audio_to_image")) == 1.0


def test_every_slice_changes_the_recordings(write_set: Writer, embeddings: Embeddings) -> None:
    direction = found(evaluate(write_set(SOUND), embeddings), "audio_to_image")
    changed = [s for s in direction.slices if s.group == "sound"]
    assert [s.name for s in changed] == ["as recorded", *(s.name for s in SOUND_SLICES)]
    assert all(s.queries == 3 and s.about for s in changed)
    hits = {s.name: s.metrics["hit_rate@1"].value for s in changed}
    assert hits["noise 20 dB"] == hits["quiet"] == hits["telephone"] == 1.0


def test_topics_with_several_recordings(photos: Path, embeddings: Embeddings) -> None:
    topics, qrels = [], []
    for colour in ("red", "green"):
        files = [f"{colour}{n}.wav" for n in range(3)]
        for n, file in enumerate(files):
            write_recording(photos / file, colour, seconds=0.5 + n / 10)
        topics.append({"id": colour, "text": colour, "audio": files if colour == "red" else files[0]})
        qrels += [f"{colour} 0 {path} 1" for path in (f"{colour}.png", f"below/{colour}.jpg")]
    topics.append({"id": "blue", "audio": str(write_recording(photos / "blue.wav", "blue"))})
    (photos / "topics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in topics))
    (photos / "qrels").write_text("\n".join([*qrels, "blue 0 blue.png 2", "blue 0 white.png 0"]))
    data = read_set(photos / "topics.jsonl", qrels=photos / "qrels")
    assert data.recordings.groups == (0, 0, 0, 1, 2)
    assert data.recordings.texts == ((0,), (0,), (0,), (1,), ())
    evaluation = evaluate(data, embeddings, slices=False)
    direction = found(evaluation, "audio_to_image")
    assert (direction.queries, direction.items) == (5, 6)
    assert direction.metrics["mAP"].value == found(evaluation, "text_to_image").metrics["mAP"].value == 1.0
    (written,) = direction.slices
    assert (written.queries, written.about) == (4, "asked by the texts of 4 of the 5 recordings instead")


def test_recordings_of_one_topic_are_drawn_together(photos: Path, embeddings: Embeddings) -> None:
    """Nine recordings that find it and one that does not: the same share, known less well from two topics."""
    clips = [str(write_recording(photos / f"{n}.wav", "red", seconds=0.3 + n / 50)) for n in range(9)]
    clips.append(str(write_recording(photos / "wrong.wav", "blue")))
    (photos / "qrels").write_text("".join(f"{q} 0 red.png 1\n{q} 0 blue.png 0\n" for q in range(10)))

    def interval(topics: list[list[str]]) -> tuple[float, float]:
        rows = [{"id": str(n), "audio": audio} for n, audio in enumerate(topics)]
        (photos / "topics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = read_set(photos / "topics.jsonl", qrels=photos / "qrels")
        metric = found(evaluate(data, embeddings, slices=False), "audio_to_image").metrics["hit_rate@1"]
        assert metric.value == 0.9
        return metric.low, metric.high

    apart, together = interval([[clip] for clip in clips]), interval([clips[:9], clips[9:]])
    assert (together[0], together[1]) == (0.0, 1.0)
    assert apart[0] > 0.5


def test_in_a_gallery_all_its_pictures_compete(
    write_set: Writer, photos: Path, hearing_model: Model, tmp_path: Path
) -> None:
    data = write_set(SOUND)
    with bouba.open("memory://", hearing_model) as own:
        own.add([photos / "below", photos / "red.png", photos / "blue.png"])
        stored = StoredEmbeddings(own, tmp_path / "cache")
        inside = within(data, stored)
        assert (len(inside.images), len(inside.recordings), inside.recordings.texts) == (8, 2, ((0,), (1,)))
        direction = found(evaluate(inside, stored, slices=False), "audio_to_image")
        assert (direction.queries, direction.items, direction.metrics["hit_rate@5"].value) == (2, 8, 1.0)
    with bouba.open("memory://", hearing_model) as empty, pytest.raises(QueryError, match="add them first"):
        within(data, StoredEmbeddings(empty, tmp_path / "cache"))


def test_two_models_that_hear(write_set: Writer, embeddings: Embeddings, tmp_path: Path) -> None:
    deaf_to_colour = load_model(write_hearing_model(tmp_path / "broken", "broken", broken=True))
    other = Embeddings(deaf_to_colour, tmp_path / "cache")
    data = write_set(SOUND)
    ours, theirs = (evaluate(data, one, slices=False) for one in (embeddings, other))
    direction = found(compared(ours, theirs, data, (embeddings, other)), "audio_to_image")
    assert [c.other for c in direction.comparisons] == ["the written captions"] * 3 + ["broken 0.1"] * 3
    assert direction.comparisons[3].difference.value == 1.0


def test_against_a_model_that_does_not_hear(
    write_set: Writer, embeddings: Embeddings, tiny_model: Model, tmp_path: Path
) -> None:
    other = Embeddings(tiny_model, tmp_path / "cache")
    data = write_set(SOUND)
    ours, theirs = evaluate(data, embeddings, slices=False), evaluate(data, other, slices=False, heard_as=())
    paired = compared(ours, theirs, data, (embeddings, other))
    assert paired.notes == ("tiny 0.1 has no sound tower: audio_to_image is not compared",)
    assert found(paired, "text_to_image").comparisons
    with pytest.raises(ModelMissing, match=r"tiny 0\.1 has no sound tower"):
        evaluate(data, other)
    speech = evaluate(write_set(SPOKEN), other, slices=False, heard_as=("speech",))
    assert hit_rate(found(speech, "speech_to_image")) == 1.0


def test_the_page_names_recordings_and_embeds_none(write_set: Writer, embeddings: Embeddings, tmp_path: Path) -> None:
    evaluation = evaluate(write_set(SPOKEN), embeddings, slices=False)
    write_report(evaluation, tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    line = "Recordings taken for speech: 3; word error rate 0.0 % of 3 words"
    assert line in page
    assert "red.wav: “red”" in page
    assert "<audio" not in page
    assert line in table(evaluation)


def test_names_are_asked_for_all_their_pictures(photos: Path, embeddings: Embeddings) -> None:
    rows = [{"image": f"{place}", "label": "red"} for place in ("red.png", "below/red.jpg")]
    rows[0]["audio"] = str(write_recording(photos / "a.wav", "red"))
    rows += [{"image": "blue.png", "label": "blue"}]
    (photos / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = read_set(photos / "labels.jsonl")
    assert data.recordings.relevant == ((0, 1),)
    (first, *_) = found(evaluate(data, embeddings, slices=False), "audio_to_image").comparisons
    assert first.other == "the written names"
