"""What `bouba tune` measured is found again, by the same model on the same machine, and by no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from bouba.encoders import load_model
from bouba.encoders.setting import (
    VARIABLE,
    Setting,
    Settings,
    forget_settings,
    read_settings,
    settings_path,
    write_settings,
)
from bouba.errors import ModelError

TUNED = Settings(Setting("openvino", 2, 8, 64), Setting("cpu", 1, 32), tuned=True)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache"


def test_a_model_runs_as_it_was_tuned(tmp_path: Path) -> None:
    one, other = (write_tiny_model(tmp_path / n, bias=b) for n, b in (("1", 127.5), ("2", 99.0)))
    fingerprint = load_model(one).fingerprint
    assert load_model(one).settings == Settings()
    assert write_settings(fingerprint, TUNED) == settings_path(fingerprint)
    assert load_model(one).settings == TUNED
    assert load_model(one).describe()["runs"]["image"]["provider"] == "openvino"
    assert load_model(other).settings == Settings()
    assert forget_settings(fingerprint)
    assert not forget_settings(fingerprint)
    assert load_model(one).settings == Settings()


def test_another_machine_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings("f", TUNED)
    assert read_settings("f") == TUNED
    monkeypatch.setattr("bouba.encoders.setting.usable_cores", lambda: 999)
    assert read_settings("f") == Settings()


def test_the_file_appears_whole(place: Path) -> None:
    write_settings("f", TUNED)
    write_settings("f", replace(TUNED, text=Setting("cpu", 4)))
    assert [path.name for path in (place / "tuned").iterdir()] == [settings_path("f").name]
    assert read_settings("f").text.threads == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: None,
        lambda value: [],
        lambda value: {**value, "format": 2},
        lambda value: {**value, "image": {"provider": 3}},
        lambda value: {**value, "image": {**value["image"], "batch": 0}},
        lambda value: {**value, "image": {**value["image"], "threads": -1}},
        lambda value: {**value, "image": {**value["image"], "batch": "8"}},
        lambda value: {**value, "text": {**value["text"], "surprise": 1}},
        lambda value: {"format": 1},
    ],
)
def test_damage_costs_speed_alone(damage) -> None:
    path = write_settings("f", TUNED)
    value = damage(json.loads(path.read_text()))
    path.write_text("{" if value is None else json.dumps(value))
    assert read_settings("f") == Settings()


def test_a_place_that_cannot_be_written(place: Path) -> None:
    place.write_text("a file")
    with pytest.raises(ModelError, match=VARIABLE):
        write_settings("f", TUNED)


def test_the_variable_overrules_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(write_tiny_model(tmp_path / "m"))
    write_settings(model.fingerprint, TUNED)
    monkeypatch.setenv(VARIABLE, "CPU ")
    assert model.settings.image == Setting("cpu", 0, 8, 64)  # threads of another provider are forgotten
    assert model.settings.text == TUNED.text
