from __future__ import annotations

from ipaddress import ip_address

import pytest

from bouba.errors import FetchRefused
from bouba.media.fetch import fetch_bytes, is_public


@pytest.mark.parametrize(
    "url",
    ["", "http://", "http:///a.jpg", "https://[::1", "http://a b/", "http://x:99999/", "a.jpg", "http://" + "a" * 70],
)
def test_malformed_addresses(url: str) -> None:
    with pytest.raises(FetchRefused):
        fetch_bytes(url, max_bytes=10, timeout_s=2)


def test_secrets_stay_out_of_messages() -> None:
    for url in ("http://user:hunter2@127.0.0.1/a.jpg", "http://127.0.0.1/a.jpg?token=hunter2"):
        with pytest.raises(FetchRefused) as caught:
            fetch_bytes(url, max_bytes=10)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::808:808", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public
