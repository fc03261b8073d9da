from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from bouba.errors import ServerError
from bouba.server.guard import check_binding
from bouba.server.guard.keys import KeyFile
from bouba.server.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    check_binding(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "photos.lan", "", "localhost.evil.example"])
def test_elsewhere_a_key_is_needed(host: str, keys: KeyFile) -> None:
    with pytest.raises(ServerError, match="bouba keys new"):
        check_binding(Settings(host=host))
    keys.new("laptop", "read", 60)
    check_binding(Settings(host=host, keys_file=keys.path))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_keys_that_let_nobody_in(host: str, keys: KeyFile) -> None:
    settings = Settings(host=host, keys_file=keys.path)
    with pytest.raises(ServerError, match="cannot be read"):
        check_binding(settings)
    keys.new("laptop", "read", 60, lasts=timedelta(0))
    with pytest.raises(ServerError, match="no key that is still good"):
        check_binding(settings)


def test_keys_are_made_without_the_servers_packages() -> None:
    heavy = ["fastapi", "starlette", "uvicorn"]
    code = f"import sys, bouba.server.guard.keys; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
