"""`bouba tune`: a short measured probe of how a model's towers run fastest on this machine.

One thing is changed at a time: the provider, then how many pictures go into a run, then threads. Pictures are
measured with the decoders of `bouba add` running beside the encoder, for whose cores they compete; texts one at a
time, as questions come. What wins is kept, see `bouba.encoders.setting`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bouba.encoders.model import Model
from bouba.encoders.runtime import OPENVINO, providers
from bouba.encoders.setting import (
    CPU,
    VARIABLE,
    Setting,
    Settings,
    forced_provider,
    forget_settings,
    settings_path,
    usable_cores,
    write_settings,
)
from bouba.errors import ModelError

if TYPE_CHECKING:
    from bouba.types import Pixels, Vectors

BUDGET_S = 24.0  # of all trials together
TRIAL_S = 1.0  # of one, besides loading
LEAST_COSINE = 0.999  # of every probe, to the CPU's vectors: a gallery outlives its tuning
MARGIN = 1.08  # what is not faster by this much may be noise, and the plainer setting stays
GROUPS = (64, 32, 0)  # of OpenVINO's integers: the fastest that keeps the vectors
BATCHES = (16, 32, 8, 64)  # pictures a run; the first is what the other settings are tried with
WORK = {"image": 1_000, "text": 100}  # inputs a process, among which its loading is shared out
PHOTO = (640, 480)  # pixels
QUESTIONS = (
    "a dog", "red shoes", "two children play football in a park", "sunset over the sea", "an old man with a hat",
    "a plate of pasta with tomatoes on a wooden table", "city at night", "a woman rides a bicycle along a canal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting, measured; `per_second` is 0 where it was refused, and `problem` says why."""

    tower: Literal["image", "text"]
    setting: Setting
    load_s: float = 0.0
    per_second: float = 0.0
    cosine: float = 0.0  # the lowest of the probes', to the CPU's vectors
    problem: str = ""

    @property
    def cost_s(self) -> float:
        """Of a process: loading the tower, and its work."""
        return self.load_s + WORK[self.tower] / self.per_second if self.per_second else float("inf")


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured, in order, and what won. A tower's first trial is what its others are compared with."""

    settings: Settings
    trials: tuple[Trial, ...]
    seconds: float
    skipped: int  # settings that there was no time left to try

    def to_dict(self) -> dict[str, Any]:
        rows = [
            {
                "tower": trial.tower, **asdict(trial.setting), "per_second": trial.per_second, "load_s": trial.load_s,
                "cosine": trial.cosine, "problem": trial.problem, "chosen": self.chosen(trial),
            }
            for trial in self.trials
        ]  # fmt: skip
        chosen = {"image": asdict(self.settings.image), "text": asdict(self.settings.text)}
        return {**chosen, "trials": rows, "seconds": self.seconds, "skipped": self.skipped}

    def chosen(self, trial: Trial) -> bool:
        return trial.setting == (self.settings.image if trial.tower == "image" else self.settings.text)


def tune(model: Model, progress: Callable[[Trial], None] = lambda trial: None, budget_s: float = BUDGET_S) -> Tuning:
    """Measure a model's towers in about `budget_s` seconds, more for a model that takes long to load. `keep` keeps what
    won. Raises ModelError where the CPU cannot run the model."""
    started = time.perf_counter()
    search = _Search(progress, started + budget_s * 2 / 3)
    with closing(_Photos(model)) as photos:
        image = search.best("image", photos, BATCHES)
    search.deadline = started + budget_s
    text = search.best("text", _Questions(model), (Setting().batch,))
    return Tuning(Settings(image, text, True), tuple(search.trials), time.perf_counter() - started, search.skipped)


def kept_at(model: Model) -> Path:
    """The file that says how a model runs on this machine, there or not."""
    return settings_path(model.manifest.fingerprint)


def keep(model: Model, settings: Settings) -> None:
    """Run the model so, in every process on this machine that loads it from now on. Raises ModelError."""
    write_settings(model.manifest.fingerprint, settings)


def forget(model: Model) -> bool:
    """Back to the defaults; whether there was anything to forget. Raises ModelError."""
    return forget_settings(model.manifest.fingerprint)


def overruling() -> str:
    """`BOUBA_PROVIDER=...` where that is set, which overrules what is kept, else nothing."""
    return f"{VARIABLE}={forced}" if (forced := forced_provider()) else ""


class _Probe(Protocol):
    """One tower under trial."""

    def load(self, setting: Setting) -> Model: ...

    def vectors(self, model: Model) -> Vectors: ...

    def rate(self, model: Model, batch: int) -> float: ...


@dataclass(slots=True)
class _Search:
    progress: Callable[[Trial], None]
    deadline: float
    trials: list[Trial] = field(default_factory=list)
    skipped: int = 0

    def best(self, tower: Literal["image", "text"], probe: _Probe, batches: Sequence[int]) -> Setting:
        """The setting that won, after trying others in turn."""
        bench = _Bench(tower, probe)
        best = bench.first(Setting(CPU, 0, batches[0]))
        self._took(best)
        for provider in providers()[1:]:
            for group in GROUPS if provider == OPENVINO else (best.setting.group,):
                best = self._better(bench, best, replace(best.setting, provider=provider, group=group))
                if not 0 < self.trials[-1].cosine < LEAST_COSINE:
                    break
        for batch in batches[1:]:
            best = self._better(bench, best, replace(best.setting, batch=batch))
        for threads in _fewer_threads() if best.setting.provider != CPU or usable_cores() > 1 else ():
            best = self._better(bench, best, replace(best.setting, threads=threads))
        return best.setting

    def _better(self, bench: _Bench, best: Trial, setting: Setting) -> Trial:
        if time.perf_counter() + best.load_s + 2 * setting.batch / best.per_second > self.deadline:
            self.skipped += 1
            return best
        trial = bench.trial(setting)
        self._took(trial)
        return trial if trial.cost_s * MARGIN < best.cost_s else best

    def _took(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.progress(trial)


def _fewer_threads() -> list[int]:
    """Than all cores: the decoders want some, and the second thread of a core gains little."""
    cores = usable_cores()
    return sorted({cores // 2, cores // 4} - {0, cores}, reverse=True)


class _Bench:
    """Tries settings on one probe, and holds one loaded model at a time: two may not fit."""

    def __init__(self, tower: Literal["image", "text"], probe: _Probe) -> None:
        self._tower, self._probe = tower, probe
        self._wanted: Vectors | None = None
        self._loaded: tuple[Setting, Model, float, float] | None = None

    def first(self, setting: Setting) -> Trial:
        """On the CPU, whose vectors are what the others' are held against; what is wrong with the model raises."""
        self._wanted = self._probe.vectors(self._probe.load(setting))
        self._load(setting)  # once more: the disk was slow the first time, and never again
        return self._measured(setting)

    def trial(self, setting: Setting) -> Trial:
        try:
            if self._loaded is None or self._loaded[0] != replace(setting, batch=self._loaded[0].batch):
                self._load(setting)
            return self._measured(setting)
        except ModelError as error:
            return Trial(self._tower, setting, problem=str(error))

    def _load(self, setting: Setting) -> None:
        assert self._wanted is not None
        self._loaded = None
        started = time.perf_counter()
        model = self._probe.load(setting)
        load_s = time.perf_counter() - started
        cosine = float((self._probe.vectors(model) * self._wanted).sum(1).min())
        self._loaded = setting, model, load_s, cosine

    def _measured(self, setting: Setting) -> Trial:
        assert self._loaded is not None
        _, model, load_s, cosine = self._loaded
        trial = Trial(self._tower, setting, load_s, cosine=cosine)
        if (ran := model.provider_of(self._tower)) != setting.provider:
            return replace(trial, problem=f"not for this tower: it ran on {ran}")
        if cosine < LEAST_COSINE:
            return replace(trial, problem=f"other vectors than the CPU's: cosine {cosine:.4f}, below {LEAST_COSINE}")
        return replace(trial, per_second=self._probe.rate(model, setting.batch))


class _Photos:
    """The image tower, fed as `bouba add` feeds it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._photos = [_photo(seed) for seed in range(8)]
        self._pixels = [self._prepared(photo) for photo in self._photos]
        self._decoders = ThreadPoolExecutor(max(2, usable_cores()), "bouba-tune")

    def close(self) -> None:
        self._decoders.shutdown(cancel_futures=True)

    def load(self, setting: Setting) -> Model:
        model = Model(self._model.folder, self._model.source, Settings(image=replace(setting, batch=max(BATCHES))))
        model.encode_pixels(self._pixels[:1])
        return model

    def vectors(self, model: Model) -> Vectors:
        return model.encode_pixels(self._pixels)

    def rate(self, model: Model, batch: int) -> float:
        """Photos a second, decoded and encoded, once the decoders are a batch ahead."""
        photos = cycle(self._photos)
        ahead: deque[Future[Pixels]] = deque()
        seconds: list[float] = []
        while len(seconds) < 2 or sum(seconds[1:]) < TRIAL_S:  # the first batch has a shape that is new to the tower
            started = time.perf_counter()
            missing = 2 * batch - len(ahead)
            ahead.extend(self._decoders.submit(self._prepared, photo) for photo in islice(photos, missing))
            model.encode_pixels([ahead.popleft().result() for _ in range(batch)])
            seconds.append(time.perf_counter() - started)
        for waiting in ahead:
            waiting.cancel()
        return batch * (len(seconds) - 1) / sum(seconds[1:])

    def _prepared(self, photo: bytes) -> Pixels:
        from bouba.media import decode_image

        return self._model.prepare_image(decode_image(photo, side=self._model.manifest.image.size).rgb)


def _photo(seed: int) -> bytes:
    """A JPEG with large and small shapes, as hard to decode as a photo of its size."""
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(seed)
    coarse, fine = (
        np.asarray(Image.fromarray(draw.integers(0, 256, (*side, 3), dtype=np.uint8)).resize(PHOTO), np.float32)
        for side in ((6, 8), (120, 160))
    )
    out = BytesIO()
    Image.fromarray((0.7 * coarse + 0.3 * fine).astype(np.uint8)).save(out, "JPEG", quality=88)
    return out.getvalue()


class _Questions:
    """The text tower, asked one question at a time."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def load(self, setting: Setting) -> Model:
        model = Model(self._model.folder, self._model.source, Settings(text=setting))
        model.encode_text(QUESTIONS[:1])
        return model

    def vectors(self, model: Model) -> Vectors:
        return model.encode_text(QUESTIONS)

    def rate(self, model: Model, batch: int) -> float:
        for question in QUESTIONS:  # each length is new to the tower once
            model.encode_text([question])
        done, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < TRIAL_S:
            model.encode_text([QUESTIONS[done % len(QUESTIONS)]])
            done += 1
        return done / spent
