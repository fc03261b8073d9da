"""Requests that mean harm, each with the status that it must get. `{id}` stands for an item's id, `{other}` for a
second one."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bad_inputs import encode, jpeg_of_size, picture, png, png_chunk


@dataclass(frozen=True)
class Ask:
    status: int
    url: str
    method: str = "POST"
    options: Mapping[str, Any] = field(default_factory=dict)


def get(url: str, status: int = 404, **options: Any) -> Ask:
    return Ask(status, url, "GET", options)


def post(url: str, status: int = 422, **options: Any) -> Ask:
    return Ask(status, url, "POST", options)


def search(status: int = 422, query: Any = None, **more: Any) -> Ask:
    """As json.dumps writes it, which knows NaN and lone surrogates."""
    return raw(json.dumps({"query": {"text": "red"} if query is None else query, **more}).encode(), status)


def raw(content: bytes, status: int = 422, media_type: str = "application/json", **headers: str) -> Ask:
    sent = {"Content-Type": media_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    return post("/search", status, content=content, headers=sent)


def pictured(data: bytes, status: int, name: str = "a.png") -> Ask:
    return post("/search", status, files={"image": (name, data)})


def form(body: bytes, status: int = 400, boundary: str = "; boundary=x") -> Ask:
    return raw(body, status, f"multipart/form-data{boundary}")


def part(name: str, value: bytes, more: bytes = b"") -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name.encode(), more, value)


def deep(levels: int) -> dict[str, Any]:
    question: dict[str, Any] = {"text": "red"}
    for _ in range(levels):
        question = {"not": question}
    return question


BOMB = zlib.compress(bytes(20_000_000), 9)
WEBP = encode(picture(), "WEBP", lossless=True)
GIF = encode(picture(), "GIF")
PIXELS = png(60_000, 60_000, png_chunk(b"IDAT", BOMB))
POLYGLOT = GIF + b"<html><script>alert(1)</script></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
UP = "%2e%2e%2f"

TRAVERSAL = {
    "id-up": get(f"/items/{UP * 4}etc%2fpasswd"),
    "id-up-image": get(f"/items/{UP * 4}etc%2fpasswd/image"),
    "id-up-plain": get("/items/../../../../etc/passwd"),
    "id-backslash": get("/items/..%5c..%5cwin.ini/thumbnail"),
    "id-twice-encoded": get("/items/%252e%252e%252fetc%252fpasswd/image"),
    "id-nul": get("/items/{id}%00/image"),
    "id-newline": get("/items/{id}%0d%0aSet-Cookie:a=b/image"),
    "id-absolute": get("/items//etc/passwd/image"),
    "id-overlong-utf8": get("/items/%c0%ae%c0%ae%c0%af/image"),
    "id-long": get("/items/" + "a" * 5000 + "/image"),
    "id-upper": get("/items/{ID}/image"),
    "id-wildcard": get("/items/%25/image"),
    "page-up": get(f"/page/{UP}app.py"),
    "page-up-plain": get("/page/../app.py"),
    "page-far-up": get(f"/page/{UP * 6}etc%2fpasswd"),
    "page-absolute": get("/page//etc/passwd"),
    "page-backslash": get("/page/..%5capp.py"),
    "page-nul": get("/page/index.html%00.js"),
    "page-source": get("/page/__init__.py"),
    "gallery-up": get("/items?gallery=../other"),
    "gallery-nul": get("/items?gallery=%00"),
    "gallery-path": post("/search?gallery=/etc/passwd", 404, json={"query": {"text": "red"}}),
    "concept-up": Ask(404, f"/concepts/{UP * 3}etc%2fpasswd", "DELETE"),
    "delete-up": Ask(404, f"/items/{UP * 3}etc", "DELETE"),
}

BOMBS = {
    "png-pixels": pictured(PIXELS, 413),
    "png-memory": pictured(png(20_000, 20_000, png_chunk(b"IDAT", BOMB)), 413),
    "png-text": pictured(png(9, 9, png_chunk(b"zTXt", b"k\0\0" + BOMB)), 413),
    "png-profile": pictured(png(9, 9, png_chunk(b"iCCP", b"k\0\0" + BOMB)), 413),
    "png-width": pictured(png(2**31 - 1, 1, png_chunk(b"IDAT", BOMB)), 413),
    "jpeg-pixels": pictured(jpeg_of_size(65500, 65500), 413, "a.jpg"),
    "gif-pixels": pictured(GIF[:6] + b"\xff\xff\xff\xff" + GIF[10:], 413),
    "webp-pixels": pictured(WEBP[:21] + b"\xff\xff\xff\x0f" + WEBP[25:], 413),  # 16,384 a side
    "gzip-body": raw(gzip.compress(json.dumps({"query": {"text": "red"}}).encode()), 415, Content_Encoding="gzip"),
    "gzip-part": pictured(gzip.compress(bytes(20_000_000)), 415),
    "json-brackets": raw(b"[" * 100_000),
    "json-braces": raw(b'{"query":' * 20_000 + b"1" + b"}" * 20_000),
    "json-17-mib": raw(b'{"query": {"text": "' + b"a" * 17 * 2**20 + b'"}}', 413),
    "question-of-9-levels": search(query=deep(9)),
    "question-of-500-levels": search(query=deep(500)),
    "question-of-33-parts": search(query={"all": [{"text": "red"}] * 33}),
    "question-wide-and-deep": search(query={"all": [{"any": [{"text": "red"}] * 8}] * 8}),
    "base64-bomb": search(413, query={"image": {"base64": base64.b64encode(PIXELS).decode()}}),
}

WRONG_TYPES = {
    "svg-as-picture": pictured(SVG, 415),
    "html-as-picture": pictured(b"<!DOCTYPE html><script>alert(1)</script>", 415),
    "zip-as-picture": pictured(b"PK\x03\x04" + bytes(40), 415),
    "elf-as-picture": pictured(b"\x7fELF\2\1\1" + bytes(40), 415),
    "sound-as-picture": pictured(b"RIFF\x24\0\0\0WAVEfmt " + bytes(20), 415),
    "empty-picture": pictured(b"", 422),
    "half-a-picture": pictured(encode(picture(), "PNG")[:500], 422),
    "picture-as-sound": post("/search", 415, files={"audio": ("a.wav", encode(picture(), "PNG"))}),
    "base64-of-nothing": search(query={"image": {"base64": ""}}),
    "base64-that-is-none": search(query={"image": {"base64": "%%%"}}),
    "part-that-is-missing": post(
        "/search", files={"other": ("a.png", b"x")}, data={"body": '{"query": {"image": {"part": "image"}}}'}
    ),
    "media-with-two-sources": search(query={"image": {"base64": "aGk=", "url": "https://example.com"}}),
    "text-that-is-a-number": search(query={"text": 7}),
    "text-that-is-a-list": search(query={"text": ["red"]}),
    "question-that-is-a-list": search(query=[{"text": "red"}]),
    "question-that-is-missing": raw(b"{}"),
    "question-that-asks-nothing": search(query={"text": None}),
    "body-that-is-null": raw(b"null"),
    "body-that-is-a-list": raw(b"[]"),
    "body-that-is-empty": raw(b"", 422),
    "keys-that-are-unknown": search(query={"text": "red", "__class__": "x", "prototype": {}}),
    "like-of-paths": search(query={"like": ["../../etc/passwd"]}),
    "like-of-10000": search(query={"like": ["0" * 32] * 10_000}),
    "xml": raw(b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', 415, "application/xml"),
    "yaml": raw(b"!!python/object/apply:os.system [id]", 415, "application/yaml"),
    "plain-text": raw(b'{"query": {"text": "red"}}', 415, "text/plain"),
}

NUMBERS_AND_TEXT = {
    "nan": search(query={"text": "red", "text_weight": float("nan")}),
    "infinity": search(query={"text": "red", "text_weight": float("inf")}),
    "1e999": raw(b'{"query": {"text": "red", "text_weight": 1e999}}'),
    "nan-probability": search(min_probability=float("nan")),
    "k-0": search(k=0),
    "k-negative": search(k=-1),
    "k-huge": search(k=10**30),
    "k-501": search(k=501),
    "k-of-5000-digits": raw(b'{"query": {"text": "red"}, "k": ' + b"9" * 5000 + b"}", 422),
    "k-text": search(k="all"),
    "limit-huge": get("/items?limit=100000000", 422),
    "offset-negative": get("/items?offset=-1", 422),
    "offset-huge": get(f"/items?offset={10**30}", 422),
    "text-of-a-megabyte": search(query={"text": "a" * 2**20}),
    "surrogate": raw(b'{"query": {"text": "red \\ud800"}}'),
    "surrogate-in-where": raw(b'{"query": {"text": "red"}, "where": "path = \'\\udfff\'"}'),
    "surrogate-in-concept": raw(b'{"query": {"concept": "\\ud800"}}'),
    "nul-alone": search(query={"text": "\0"}),
    "bad-utf8": raw(b'{"query": {"text": "\xff\xfe"}}', 422),
    "utf16": raw('{"query": {"text": 1}}'.encode("utf-16"), 422),
    "duplicate-keys-with-trouble": raw(b'{"query": {"text": "red"}, "query": {"text": 1}}'),
}

INJECTION = {
    "where-or-true": search(where="1=1 or 1"),
    "where-drop": search(where="width > 1; DROP TABLE items"),
    "where-comment": search(where="width > 1 -- "),
    "where-union": search(where="id = '' UNION SELECT * FROM files"),
    "where-call": search(where="load_extension('x') = 1"),
    "where-python": search(where="__import__('os').system('id')"),
    "where-subselect": search(where="id in (select id from items)"),
    "where-brackets": search(where="(" * 50_000 + "width > 1" + ")" * 50_000),
    "where-not": search(where="not " * 50_000 + "width > 1"),
    "where-long-list": search(where="id in (" + ",".join(["'x'"] * 200_000) + ")"),
    "where-unknown-field": search(where="password = 'x'"),
    "where-nul": search(where="path = 'a\0b' or"),
    "where-in-the-address": get("/items?where=1%3D1", 422),
    "where-in-facets": get("/facets?where=%27%20or%201%3D1%20--", 422),
    "concept-markup": search(query={"concept": "<script>alert(1)</script>"}),
}

ADDRESSES = {
    f"url-{name}": search(query={"image": {"url": url}})
    for name, url in {
        "file": "file:///etc/passwd", "loopback": "http://127.0.0.1:{port}/secret", "metadata": "http://169.254.169.254/",
        "ipv6": "http://[::1]:{port}/secret", "mapped": "http://[::ffff:127.0.0.1]:{port}/secret",
        "hex": "http://0x7f000001:{port}/secret", "decimal": "http://2130706433:{port}/secret",
        "octal": "http://0177.0.0.1:{port}/secret", "short": "http://127.1:{port}/secret",
        "name": "http://localhost:{port}/secret", "password": "http://a:b@127.0.0.1:{port}/secret",
        "any": "http://0.0.0.0:{port}/secret", "gopher": "gopher://127.0.0.1:{port}/_x", "data": "data:text/html,x",
        "private": "http://10.0.0.1/", "bucket": "s3://bucket/key", "path": "/etc/passwd", "crlf": "http://a\r\nb/",
    }.items()
}  # fmt: skip

HEADERS = {
    "rebound-host": get("/items", 421, headers={"Host": "evil.example"}),
    "host-like-loopback": get("/items", 421, headers={"Host": "127.0.0.1.evil.example"}),
    "host-with-user": get("/items", 400, headers={"Host": "localhost@evil.example"}),
    "foreign-origin": post("/search", 403, json={"query": {"text": "red"}}, headers={"Origin": "https://evil.example"}),
    "null-origin": post("/search", 403, json={"query": {"text": "red"}}, headers={"Origin": "null"}),
    "neighbours-port": post("/search", 403, json={"query": {"text": "red"}}, headers={"Origin": "http://localhost:3000"}),
    "foreign-form": post("/items", 403, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
    "foreign-picture": get("/items/{id}/image", 403,
                           headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
    "foreign-delete": Ask(403, "/items/{id}", "DELETE", {"headers": {"Origin": "https://evil.example"}}),
    "preflight": Ask(403, "/items/{id}", "OPTIONS",
                     {"headers": {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}}),
    "method-override": post("/items/{id}", 405, headers={"X-HTTP-Method-Override": "DELETE"}),
    "trace": Ask(405, "/items", "TRACE"),
    "connect": Ask(405, "/items", "CONNECT"),
    "propfind": Ask(405, "/items", "PROPFIND"),
    "headers-of-40-kb": get("/items", 431, headers={"X-Long": "y" * 40_000}),
    "2000-headers": get("/items", 431, headers={f"X-{n}": "yyyyyyyyyyyyyyyy" for n in range(2000)}),
    "address-of-20-kb": get("/items?where=" + "a" * 20_000, 414),
    "deflated-body": raw(b"x", 415, Content_Encoding="deflate"),
}  # fmt: skip

FORMS = {
    "no-boundary": form(b"x", boundary=""),
    "empty-boundary": form(b"x", boundary="; boundary="),
    "long-boundary": form(b"x", boundary="; boundary=" + "b" * 5000),
    "truncated": form(part("text", b"red") + b"--x\r\nContent-Disposition: form-da"),
    "garbage": form(bytes(range(256)) * 10),
    "nameless-part": form(b"--x\r\nContent-Disposition: form-data\r\n\r\nred\r\n--x--\r\n"),
    "10000-fields": form(part("text", b"red") * 10_000 + b"--x--\r\n"),
    "1000-files": form(part("image", b"x", b'; filename="a.png"') * 1000 + b"--x--\r\n"),
    "field-of-2-mib": form(part("text", b"a" * 2**21) + b"--x--\r\n"),
    "unknown-field": form(part("text", b"red") + part("__proto__", b"x") + b"--x--\r\n", 422),
    "file-where-text-is-wanted": form(part("text", b"red", b'; filename="a"') + b"--x--\r\n", 422),
    "text-where-a-file-is-wanted": form(part("image", b"/etc/passwd") + b"--x--\r\n", 422),
    "body-that-is-no-json": form(part("body", b"{") + b"--x--\r\n", 422),
    "part-header-of-100-kb": form(b"--x\r\nX: " + b"y" * 100_000 + b"\r\n\r\nred\r\n--x--\r\n"),
}

REQUESTS = {
    **TRAVERSAL, **BOMBS, **WRONG_TYPES, **NUMBERS_AND_TEXT, **INJECTION, **ADDRESSES, **HEADERS, **FORMS
}  # fmt: skip

# Uploads under names that are no names. Each is a good picture, and is kept below the gallery's folder or refused.
NAMES = {
    "up": b"../../../evil.png", "up-backslash": b"..\\..\\evil.png", "absolute": b"/etc/cron.d/evil.png",
    "drive": b"C:\\evil.png", "nul": b"evil\0.png", "newline": b"evil%0d%0a.png", "hidden": b".bashrc",
    "dots": b"..", "dot": b".", "empty": b"", "long": b"e" * 4000 + b".png", "option": b"-rf.png",
    "home": b"~/evil.png",
    "device": b"CON.png", "right-to-left": "evil\u202egnp.exe".encode(), "bad-utf8": b"\xff\xfe.png",
    "markup": b"<img src=x onerror=alert(1)>.png", "ledger": b"ledger.sqlite", "description": b"../gallery.json",
}  # fmt: skip
