"""The microphone, where there is one."""

from __future__ import annotations

import io
import wave

import click

from bouba.errors import MediaMissing, ModelMissing

RATE = 48_000  # what microphones have; it is resampled like any recording
_STORED = 2  # bytes a sample


def record(seconds: float) -> bytes:
    """A WAV file of what the default microphone hears, mono, 16 bits.

    Raises ModelMissing where `sounddevice` is not installed, MediaMissing where there is no microphone."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: there is no PortAudio
        raise ModelMissing(
            "Recording needs one more package: pip install 'bouba[microphone]' (on Linux also the system's "
            f"libportaudio2; {error}). Or record with another program and use: bouba search --audio FILE"
        ) from error
    frames = int(seconds * RATE)
    click.echo(f"Listening for {seconds:g} seconds ...", err=True)
    try:
        samples = sounddevice.rec(frames, samplerate=RATE, channels=1, dtype="int16")
        sounddevice.wait()
    except sounddevice.PortAudioError as error:
        raise MediaMissing(
            f"No microphone can be read: {error}. Record with another program and use: bouba search --audio FILE"
        ) from error
    return as_wav(samples.tobytes())


def as_wav(frames: bytes) -> bytes:
    """Mono 16-bit frames at `RATE` as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_STORED)
        file.setframerate(RATE)
        file.writeframes(frames)
    return buffer.getvalue()
