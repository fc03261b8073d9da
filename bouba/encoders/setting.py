"""How a model's towers are run on this machine: defaults, what `bouba tune` measured, and $BOUBA_PROVIDER.

What was measured holds for one model on one machine, and lies in the user's cache under both. It decides how fast a
vector comes, never what it is: lost, it costs speed alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bouba.errors import ModelError

VARIABLE = "BOUBA_PROVIDER"
AUTO, CPU = "auto", "cpu"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Setting:
    """Of one tower."""

    provider: str = AUTO  # a GPU where ONNX Runtime has one that suits the graph, else the CPU
    threads: int = 0  # of the CPU; 0: as many as the provider finds right
    batch: int = 32  # inputs a run; larger rarely gains on a CPU, and costs memory
    # Numbers of an activation that share a scale where OpenVINO multiplies in integers; 0: it multiplies floats.
    group: int = 32

    def __str__(self) -> str:
        threads = f", {self.threads} thread{'s' * (self.threads > 1)}" if self.threads else ""
        return f"{self.provider}{threads}, batches of {self.batch}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Of a model."""

    image: Setting = field(default_factory=Setting)
    text: Setting = field(default_factory=lambda: Setting(CPU))  # it answers before a GPU has started
    tuned: bool = False  # measured here by `bouba tune`

    def forced(self) -> Settings:
        """As $BOUBA_PROVIDER wants it; threads that were measured with another provider are forgotten."""
        if not (wanted := forced_provider()):
            return self
        image, text = (
            one if one.provider == wanted else replace(one, provider=wanted, threads=0)
            for one in (self.image, self.text)
        )
        return replace(self, image=image, text=text)


def forced_provider() -> str:
    """What $BOUBA_PROVIDER asks for; empty where it is not set."""
    return os.environ.get(VARIABLE, "").strip().lower()


def usable_cores() -> int:
    """Those that this process may run on, which in a container can be few of the machine's."""
    with suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def settings_path(fingerprint: str) -> Path:
    """Where the settings of a model for this machine lie. A home folder may be shared by unlike machines."""
    from platformdirs import user_cache_path

    machine = f"{platform.node()} {platform.machine()} {usable_cores()}"
    key = hashlib.sha256(machine.encode()).hexdigest()[:8]
    return user_cache_path("bouba", appauthor=False) / "tuned" / f"{fingerprint}-{key}.json"


def read_settings(fingerprint: str) -> Settings:
    """What was measured for a model here, else the defaults; also where the file was damaged or is of another form."""
    try:
        raw = json.loads(settings_path(fingerprint).read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            return Settings()
        return Settings(_setting(raw["image"]), _setting(raw["text"]), tuned=True)
    except (OSError, ValueError, KeyError, TypeError):
        return Settings()


def _setting(raw: dict[str, Any]) -> Setting:
    found = Setting(**raw)
    numbers = {found.threads: 0, found.group: 0, found.batch: 1}
    if not isinstance(found.provider, str) or any(not isinstance(n, int) or n < least for n, least in numbers.items()):
        raise ValueError(raw)
    return found


def write_settings(fingerprint: str, settings: Settings) -> Path:
    """Keep them for every later process on this machine. Raises ModelError where they cannot be written."""
    path = settings_path(fingerprint)
    value = {"format": FORMAT, "image": asdict(settings.image), "text": asdict(settings.text)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as scratch:
            new = Path(scratch) / path.name
            new.write_text(json.dumps(value), encoding="utf-8")
            new.replace(path)  # a process that reads meanwhile sees the old ones or the new ones, whole
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written: {error.strerror or error}. Make room or give permission, or set "
            f"{VARIABLE} instead; without either, models run with the defaults."
        ) from error
    return path


def forget_settings(fingerprint: str) -> bool:
    """Back to the defaults; whether there was anything to forget. Raises ModelError where it cannot be removed."""
    path = settings_path(fingerprint)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ModelError(f"{path} cannot be removed: {error.strerror or error}. Remove it by hand.") from error
    return True
