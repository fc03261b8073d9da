from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from bouba.server.guard.addressing import check_host, check_site, is_loopback
from bouba.server.guard.refusal import Refused


def _headers(*pairs: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "10.0.0.1", "[::]", "127.1"]
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "localhost:8642", "127.0.0.1:8642", "[::1]:8642", "photos.lan:80"])
def test_meant_for_this_server(host: str) -> None:
    check_host(_headers(("host", host)), ("Photos.lan",), any_name=False)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "127.0.0.1.nip.io", "192.168.1.7:8642", "lan"])
def test_meant_for_another(host: str) -> None:
    with pytest.raises(Refused, match="--allow-host") as refused:
        check_host(_headers(("host", host)), ("photos.lan",), any_name=False)
    assert refused.value.status_code == 421
    check_host(_headers(("host", host)), (), any_name=True)


@pytest.mark.parametrize(
    "headers",
    [
        (), (("host", ""),), (("host", "localhost"), ("host", "evil.example")), (("host", "local host"),),
        (("host", "localhost@evil.example"),), (("host", "localhost/x"),), (("host", "http://localhost"),),
        (("host", "localhost:port"),), (("host", "[::1"),), (("host", "localhost:80:80"),), (("host", "l\xf6calhost"),),
    ],
)  # fmt: skip
@pytest.mark.parametrize("any_name", [True, False])
def test_no_host(headers: tuple, any_name: bool) -> None:
    with pytest.raises(Refused) as refused:
        check_host(_headers(*headers), (), any_name)
    assert refused.value.status_code == 400


HOST = ("host", "localhost:8642")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", ()),  # no browser
        ("POST", (("origin", "http://localhost:8642"),)),
        ("POST", (("origin", "https://LOCALHOST:8642"),)),  # a proxy speaks TLS
        ("POST", (("origin", "http://localhost:8642"), ("sec-fetch-site", "same-origin"))),
        ("GET", (("sec-fetch-site", "none"),)),  # typed
        ("GET", (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"))),  # a link
        ("POST", (("origin", "https://app.example"), ("sec-fetch-site", "cross-site"))),  # named
    ],
)
def test_may_ask(method: str, headers: tuple) -> None:
    check_site(method, _headers(HOST, *headers), ["https://app.example/"])


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", (("origin", "https://evil.example"),)),
        ("POST", (("origin", "http://localhost:3000"),)),  # another port is another origin
        ("POST", (("origin", "http://localhost"),)),
        ("POST", (("origin", "null"),)),
        ("POST", (("origin", ""),)),
        ("POST", (("origin", "http://localhost:8642.evil.example"),)),
        ("POST", (("origin", "http://localhost:8642@evil.example"),)),
        ("POST", (("origin", "file://localhost:8642"),)),
        ("POST", (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"))),  # a form
        ("GET", (("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"))),  # <img>
        ("GET", (("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"))),
        ("GET", (("origin", "https://evil.example"),)),
        ("DELETE", (("origin", "https://app.example.evil"),)),
    ],
)
def test_may_not_ask(method: str, headers: tuple) -> None:
    with pytest.raises(Refused) as refused:
        check_site(method, _headers(HOST, *headers), ["https://app.example"])
    assert refused.value.status_code == 403


def test_the_default_port_may_be_left_out() -> None:
    check_site("POST", _headers(("host", "localhost"), ("origin", "http://localhost:80")), ())
    check_site("POST", _headers(("host", "photos.lan"), ("origin", "https://photos.lan:443")), ())
