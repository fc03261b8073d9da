"""Changed recordings: the same under a seed, changed as they say, and never broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_files import Wave, tone

from bouba.evaluation.perturb import SOUND_SLICES, query_rng, sound
from bouba.media.audio import RATE
from bouba.media.loudness import integrated_loudness, normalise_loudness

SLICES = {s.name: s for s in SOUND_SLICES}
RNG = query_rng(0, 0)


@pytest.fixture(scope="module")
def recording() -> Wave:
    """Four seconds of tones and noise, the third the loudest, as `load_audio` gives them."""
    rng = np.random.default_rng(1)
    waves = [tone(hz, 1.0, RATE, level) for hz, level in ((100, 0.1), (440, 0.2), (1000, 0.6), (5000, 0.2))]
    whole = np.concatenate(waves) + 0.01 * rng.standard_normal(4 * RATE).astype(np.float32)
    return normalise_loudness(whole, RATE)


@pytest.mark.parametrize("name", SLICES)
def test_a_seed_and_a_number_decide_everything(name: str, recording: Wave) -> None:
    before = recording.copy()
    first = SLICES[name].apply(recording, 3, seed=1)
    assert np.array_equal(first, SLICES[name].apply(recording, 3, seed=1))
    assert np.array_equal(recording, before)
    drawn = not np.array_equal(first, SLICES[name].apply(recording, 4, seed=1))
    assert drawn == name.startswith("noise")
    assert first.dtype == np.float32
    assert np.abs(first).max() < 1
    assert not np.array_equal(first, recording)


@pytest.mark.parametrize("name", SLICES)
def test_all_are_as_loud_as_any_recording(name: str, recording: Wave) -> None:
    assert integrated_loudness(SLICES[name].apply(recording, 0), RATE) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("name", SLICES)
@settings(max_examples=20)
@given(length=st.integers(1, 3 * RATE // 2), scale=st.sampled_from([0.0, 1e-6, 0.5]))
def test_no_recording_breaks_a_change(name: str, length: int, scale: float) -> None:
    samples = (scale * np.sin(np.arange(length))).astype(np.float32)
    changed = SLICES[name].apply(samples, 0)
    assert 0 < len(changed) <= length
    assert np.isfinite(changed).all()


@pytest.mark.parametrize("decibels", [20, 10, 0])
def test_noise_has_the_ratio_that_it_states(decibels: int, recording: Wave) -> None:
    added = sound.noisy(recording, RNG, decibels) - recording
    ratio = 10 * np.log10(np.mean(recording**2) / np.mean(added**2))
    assert ratio == pytest.approx(decibels, abs=0.1)
    octaves = [np.mean(np.abs(np.fft.rfft(added)[low : 2 * low]) ** 2) for low in (1000, 4000, 16000)]
    assert max(octaves) / min(octaves) < 1.2  # white: as much in every band


def test_a_tenth_of_the_samples_is_clipped(recording: Wave) -> None:
    clipped = sound.clipped(recording, RNG)
    flat = np.abs(clipped) == np.abs(clipped).max()
    assert flat.mean() == pytest.approx(0.1, abs=0.001)
    assert np.array_equal(clipped[~flat], recording[~flat])


def test_the_loudest_second_is_cut_out(recording: Wave) -> None:
    cut = sound.loudest_second(recording, RNG)
    assert len(cut) == RATE
    assert np.argmax(np.abs(np.fft.rfft(cut))) == 1000
    assert np.array_equal(sound.loudest_second(recording[: RATE // 2], RNG), recording[: RATE // 2])


def test_a_quiet_recording_loses_only_its_last_bits(recording: Wave) -> None:
    error = SLICES["quiet"].apply(recording, 0) - recording
    assert 0 < np.abs(error).max() < 10 / 2**15


def test_a_loud_recording_is_cut_off_at_full_scale() -> None:
    peaks = tone(1000, 1.0, RATE, level=0.9)
    assert np.abs(sound.loud(peaks, RNG)).max() <= 1
    assert np.mean(np.abs(sound.loud(peaks, RNG)) > 0.999) > 0.5


def test_a_telephone_has_a_narrow_band(recording: Wave) -> None:
    spectrum = np.abs(np.fft.rfft(sound.telephone(recording, RNG)))
    hertz = np.fft.rfftfreq(len(recording), 1 / RATE)
    inside = (hertz >= 300) & (hertz <= 3400)
    assert spectrum[~inside].max() < 1e-3 * spectrum[inside].max()
    assert np.allclose(spectrum[inside], np.abs(np.fft.rfft(recording))[inside], rtol=1e-3, atol=1e-2)
