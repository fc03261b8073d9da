"""`bouba search --audio` and `bouba listen`, as a user runs them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import types
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sound_files import to_int16, tone, write_wav
from tiny_sound import PITCHES, write_hearing_model, write_recording

from bouba.cli import commands
from bouba.cli.microphone import RATE, record
from bouba.errors import MediaMissing, ModelMissing


@pytest.fixture
def run(photos: Path, tmp_path: Path):
    model = write_hearing_model(tmp_path / "hearing")
    command = [sys.executable, "-m", "bouba"]
    subprocess.run([*command, "add", photos, "-g", "g", "-m", model], cwd=tmp_path, check=True, capture_output=True)

    def run(*arguments: object, code: int = 0, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        asked = [*command, "search", "-g", "g", *map(str, arguments)]
        done = subprocess.run(asked, cwd=tmp_path, input=given, capture_output=True, timeout=120)
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done

    return run


def test_a_sound(run, tmp_path: Path) -> None:
    write_recording(tmp_path / "a.wav", "blue", seconds=2.0)
    lines = run("--audio", "a.wav", "-k", "2", "--window").stdout.decode().splitlines()
    assert lines[0].startswith("Heard a sound: Tone")
    assert "blue" in lines[1]
    assert "  0:00." in lines[1]


def test_standard_input(run, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a.wav", "red")
    found = json.loads(run("--audio", "-", "-k", "1", "--json", given=recording.read_bytes()).stdout)
    assert found["heard"]["kind"] == "sound"
    assert Path(found["hits"][0]["path"]).stem == "red"
    assert b"nothing left to read" in run("--audio", "-", code=1).stderr


def test_a_transcript_is_shown_and_asked(run, tmp_path: Path) -> None:
    write_recording(tmp_path / "a.wav", "red", voice=0.9)
    out = run("--audio", "a.wav", "--transcript", "green", "-k", "1").stdout.decode()
    assert "Heard speech: “green”" in out
    assert "green" in out.splitlines()[-1]


def test_notes_go_to_standard_error(run, tmp_path: Path) -> None:
    loud = np.clip(3 * tone(PITCHES["red"], 1.0, 16_000, level=0.9), -1, 1)
    (tmp_path / "a.wav").write_bytes(write_wav(to_int16(loud)))
    done = run("--audio", "a.wav", "-k", "1")
    assert b"clipped" in done.stderr
    assert b"clipped" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--audio", "no.wav"), 1, "no such file"),
        (("--audio", "a.txt"), 1, "this is text"),
        (("red", "--as", "sound"), 2, "name it with --audio"),
        (("red", "--window"), 2, "name it with --audio"),
        (("--audio", "a.wav", "--as", "music"), 2, "music"),
        (("--audio", "a.wav", "--audio-weight", "0"), 1, "weights"),
    ],
)
def test_mistakes(run, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    write_recording(tmp_path / "a.wav", "red")
    (tmp_path / "a.txt").write_text("hello, this is no sound")
    assert message in run(*arguments, code=code).stderr.decode()


class _Microphone(types.SimpleNamespace):
    class PortAudioError(Exception):
        pass


def _listening(monkeypatch: pytest.MonkeyPatch, rec) -> None:
    fake = _Microphone(rec=rec, wait=lambda: None)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)


def test_listen(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rec(frames: int, samplerate: int, channels: int, dtype: str) -> np.ndarray:
        assert (samplerate, channels, dtype) == (RATE, 1, "int16")
        return to_int16(tone(PITCHES["green"], frames / RATE, RATE, level=0.2))[:, None]

    _listening(monkeypatch, rec)
    done = CliRunner().invoke(commands, ["listen", "-g", str(tmp_path / "g"), "--seconds", "1", "-k", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert "green" in done.stdout
    with wave.open(io.BytesIO(record(0.5))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (RATE, 1, RATE // 2)


def test_no_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    def rec(*_: object, **__: object) -> None:
        raise _Microphone.PortAudioError("Error querying device -1")

    _listening(monkeypatch, rec)
    with pytest.raises(MediaMissing, match="--audio FILE"):
        record(1)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ModelMissing, match=r"bouba\[microphone\]"):
        record(1)
