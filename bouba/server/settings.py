"""How a server behaves: one frozen record, from the command's options or from who embeds the app."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from bouba.errors import ServerError

DEFAULT_PORT = 8642
DEFAULT_WORKERS = 8 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Settings:
    """Raises ServerError for a number that makes no sense."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT  # 0: any free one
    fetch: bool = False  # whether addresses (URLs) in questions and uploads are read
    writable: bool = True  # whether pictures may be added and deleted, and concepts saved
    workers: int = DEFAULT_WORKERS  # searches that run at once
    waiting: int = 64  # searches that may wait for a worker; the next one is refused with 429
    timeout_s: float = 30.0  # of a request that reads, waiting included
    write_timeout_s: float = 300.0  # of one that changes a gallery
    batching: bool = True  # whether encodes that come at the same time share a batch
    most_upload_bytes: int = 64 * MIB  # one file
    most_body_bytes: int = 256 * MIB  # a multipart request
    most_audio_s: float = 300.0  # of a recording in a question
    keys_file: Path | None = None  # API keys are in force where it is named
    audit_file: Path | None = None  # a JSON line for each change
    hosts: tuple[str, ...] = ()  # names, without port, by which it may be addressed besides those of loopback
    origins: tuple[str, ...] = ()  # "https://app.example": other sites whose pages may ask it
    proxies: tuple[str, ...] = ()  # addresses whose X-Forwarded-* headers are believed

    def __post_init__(self) -> None:
        for name, least in (("port", 0), ("workers", 1), ("waiting", 0), ("most_upload_bytes", 1)):
            if (value := getattr(self, name)) < least:
                raise ServerError(f"{name} is {value}; it must be at least {least}.")
        for name in ("timeout_s", "write_timeout_s", "most_audio_s"):
            if not 0 < (limit := getattr(self, name)) < float("inf"):
                raise ServerError(f"{name} is {limit}; give a number of seconds above 0.")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def shows_paths(self) -> bool:
        """Whether answers say where files lie: only to who could look for themselves."""
        return self.on_loopback and self.keys_file is None
