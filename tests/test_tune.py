"""`bouba tune`: the faster setting wins, unless it gives other vectors; and it is used from then on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tiny_model import write_tiny_model

from bouba import tune as tuning_module
from bouba.cli import commands
from bouba.encoders import load_model
from bouba.encoders.runtime import providers
from bouba.encoders.setting import VARIABLE, Setting, Settings, read_settings
from bouba.errors import ModelBroken, ModelMissing
from bouba.tune import GROUPS, QUESTIONS, Trial, _Search, tune


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(tuning_module, "TRIAL_S", 0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny")


class FakeModel:
    def __init__(self, setting: Setting, runs_on: str) -> None:
        self.setting, self.runs_on = setting, runs_on

    def provider_of(self, tower: str) -> str:
        return self.runs_on


class FakeProbe:
    """A tower whose speed and vectors are known: `rates` by provider, threads or batch, multiplied."""

    def __init__(
        self, rates: Mapping[object, float], bend: Callable[[Setting], float] = lambda setting: 0.0,
        runs_on: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.rates, self.bend, self.runs_on = rates, bend, runs_on or {}
        self.loads: list[Setting] = []

    def load(self, setting: Setting) -> FakeModel:
        self.loads.append(setting)
        if setting.provider == "cuda":
            raise ModelMissing("no CUDA here")
        return FakeModel(setting, self.runs_on.get(setting.provider, setting.provider))

    def vectors(self, model: FakeModel) -> np.ndarray:
        angle = self.bend(model.setting)
        return np.array([[1, 0], [np.cos(angle), np.sin(angle)]], np.float32)

    def rate(self, model: FakeModel, batch: int) -> float:
        keys = (model.setting.provider, f"{model.setting.threads} threads", f"batch {batch}")
        return 100 * float(np.prod([self.rates.get(key, 1.0) for key in keys]))


def searched(probe: FakeProbe, monkeypatch: pytest.MonkeyPatch, seconds: float = 60) -> tuple[Setting, list[Trial]]:
    monkeypatch.setattr(tuning_module, "providers", lambda: ["cpu", "openvino", "cuda"])
    monkeypatch.setattr(tuning_module, "usable_cores", lambda: 8)
    search = _Search(lambda trial: None, time.perf_counter() + seconds)
    return search.best("image", probe, (16, 32, 8)), search.trials  # type: ignore[arg-type]


def test_each_thing_is_chosen_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = FakeProbe({"openvino": 2, "batch 8": 1.5, "4 threads": 1.2, "2 threads": 1.25})
    best, trials = searched(probe, monkeypatch)
    assert best == Setting("openvino", 4, 8, GROUPS[0])  # 2 threads gain no more that could not be noise
    assert [trial.problem for trial in trials if trial.problem] == ["no CUDA here"]
    # Sizes of batches need no loading; the CPU is loaded twice, to be compared with and to be timed.
    assert [(one.provider, one.threads) for one in probe.loads] == [
        ("cpu", 0), ("cpu", 0), ("openvino", 0), ("cuda", 0), ("openvino", 0), ("openvino", 4), ("openvino", 2),
    ]  # fmt: skip


def test_what_may_be_noise_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    best, trials = searched(FakeProbe({"openvino": 1.05, "batch 8": 1.07, "4 threads": 1.02}), monkeypatch)
    assert best == trials[0].setting == Setting("cpu", 0, 16)


def test_other_vectors_are_refused_however_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    best, trials = searched(FakeProbe({"openvino": 9}, lambda one: float(one.provider == "openvino")), monkeypatch)
    assert best.provider == "cpu"
    refused = [trial for trial in trials if trial.setting.provider == "openvino"]
    assert [trial.setting.group for trial in refused] == list(GROUPS)
    assert all("cosine 0.5403" in trial.problem and trial.per_second == 0 for trial in refused)


def test_smaller_groups_where_large_ones_bend_the_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    best, _ = searched(FakeProbe({"openvino": 2}, lambda one: 0.1 * (one.group == GROUPS[0])), monkeypatch)
    assert (best.provider, best.group) == ("openvino", GROUPS[1])


def test_a_provider_that_gave_way_to_the_cpu_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    best, trials = searched(FakeProbe({"openvino": 9}, runs_on={"openvino": "cpu"}), monkeypatch)
    assert best.provider == "cpu"
    assert sum("it ran on cpu" in trial.problem for trial in trials) == 1


def test_no_trial_is_begun_that_would_end_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    best, trials = searched(FakeProbe({"openvino": 2}), monkeypatch, seconds=0)
    assert best == Setting("cpu", 0, 16)
    assert len(trials) == 1


def test_a_broken_model_is_no_matter_of_speed(folder: Path) -> None:
    (folder / "image.onnx").write_bytes(b"x")
    with pytest.raises(ModelBroken):
        tune(load_model(folder))


def test_a_real_model(folder: Path) -> None:
    seen: list[Trial] = []
    tuning = tune(load_model(folder), seen.append)
    assert list(tuning.trials) == seen
    for tower, setting in (("image", tuning.settings.image), ("text", tuning.settings.text)):
        trials = [trial for trial in seen if trial.tower == tower]
        assert {trial.setting.provider for trial in trials} == set(providers())
        [chosen] = [trial for trial in trials if tuning.chosen(trial)]
        assert chosen.setting == setting
        assert chosen.per_second > 0
        assert not [trial.problem for trial in trials if trial.problem]
        assert min(trial.cosine for trial in trials) > 0.9999
    assert read_settings(load_model(folder).fingerprint) == Settings()  # measuring keeps nothing


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(commands, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_the_command(folder: Path) -> None:
    before = load_model(folder).encode_text(QUESTIONS)
    told = json.loads(run("tune", "--model", str(folder), "--json").stdout)
    assert set(told) == {
        "model", "fingerprint", "path", "image", "text", "trials", "seconds", "skipped",
    }  # fmt: skip
    model = load_model(folder)
    assert model.settings == Settings(Setting(**told["image"]), Setting(**told["text"]), tuned=True)
    assert sum(trial["chosen"] for trial in told["trials"]) == 2
    np.testing.assert_allclose(model.encode_text(QUESTIONS), before, atol=1e-4)
    assert model.encode_image([Image.new("RGB", (9, 9), "red")]).shape == (1, model.dim)
    assert "bouba tune --reset" in run("models", str(folder)).stdout
    assert json.loads(run("tune", "-m", str(folder), "--reset", "--json").stdout)["reset"]
    assert "bouba tune --reset" not in run("models", str(folder)).stdout
    assert "was not tuned here" in run("tune", "-m", str(folder), "--reset").stdout


def test_the_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = run("tune", "-m", str(folder)).stdout
    assert table.count("<- chosen") == 2
    assert "tiny runs so on this machine from now on" in table
    assert VARIABLE not in table
    monkeypatch.setenv(VARIABLE, "cpu")
    assert f"{VARIABLE}=cpu is set, and overrules this." in run("tune", "-m", str(folder)).stdout


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs bouba[openvino]")
def test_a_tuned_gallery_is_searched_untuned(folder: Path, tmp_path: Path, photos: Path) -> None:
    from bouba.encoders.setting import write_settings
    from bouba.gallery import open as open_gallery

    fast = Setting("openvino", batch=4)
    path = write_settings(load_model(folder).fingerprint, Settings(fast, fast))
    with open_gallery(tmp_path / "gallery", folder) as gallery:
        assert gallery.add(photos).added == 12
    path.unlink()
    model = load_model(folder)
    assert not model.settings.tuned
    with open_gallery(tmp_path / "gallery", model) as gallery:
        assert "red" in gallery.search("red", k=1)[0].path
