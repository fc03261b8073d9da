"""The page in a real browser, against a real server with real photographs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sound_files import chirps, to_int16, write_wav

import bouba

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
EXPECTED_SECONDS = 10  # of patience with one step: a busy machine is no failure
# What a photograph shows, what it costs, whether it is a favourite, when it was made, and its tags.
PHOTOS: dict[str, tuple[str, float, bool, str, list[str]]] = {
    "chelsea.png": ("animal", 12.0, True, "2024-03-01", ["fur", "indoors"]),
    "horse.png": ("animal", 4.5, False, "2021-07-11", ["silhouette"]),
    "coffee.png": ("still life", 7.0, True, "2024-05-20", ["cup", "indoors"]),
    "coins.png": ("still life", 30.0, False, "2020-01-05", ["metal"]),
    "astronaut.png": ("person", 25.0, True, "2022-09-13", ["portrait", "indoors"]),
    "camera.png": ("person", 18.0, False, "1999-12-31", ["portrait", "outdoors"]),
    "rocket.jpg": ("machine", 99.0, True, "2023-02-02", ["outdoors", "sky"]),
    "motorcycle_left.png": ("machine", 45.0, False, "2019-06-15", ["garage"]),
    "motorcycle_right.png": ("machine", 45.5, False, "2019-06-15", ["garage"]),
    "clock_motion.png": ("machine", 15.0, False, "2018-04-04", ["indoors"]),
    "moon.png": ("sky", 3.0, False, "2017-08-08", ["sky"]),
    "hubble_deep_field.jpg": ("sky", 60.0, True, "2016-10-10", ["sky", "stars"]),
    "brick.png": ("surface", 1.0, False, "2015-03-03", ["wall"]),
    "grass.png": ("surface", 1.5, False, "2015-03-04", ["green", "outdoors"]),
    "gravel.png": ("surface", 1.2, False, "2015-03-05", ["outdoors"]),
    "page.png": ("document", 2.0, False, "2014-02-02", ["text"]),
    "text.png": ("document", 2.5, False, "2014-02-03", ["text"]),
    "retina.jpg": ("medicine", 70.0, False, "2013-11-11", ["eye"]),
    "ihc.png": ("medicine", 71.0, False, "2013-11-12", ["cells"]),
    "cell.png": ("medicine", 72.0, False, "2013-11-13", ["cells"]),
}


# The browser, closed after the last test of the page: no other test can run an event loop beside Playwright's.
opened = ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or not nextitem.path.is_relative_to(Path(__file__).parent):
        opened.close()


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder of photographs that comes with scikit-image."""
    skimage = pytest.importorskip("skimage", reason="needs pip install 'bouba[demo]'")
    return Path(skimage.__file__).parent / "data"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Path:
    """A folder with galleries: `photos`, and a copy of it, `scratch`, that may be changed."""
    home = tmp_path_factory.mktemp("page")
    manifest = home / "photos.jsonl"
    with manifest.open("w", encoding="utf-8") as file:
        for name, (subject, price, favourite, made, tags) in PHOTOS.items():
            row = {"image": str(photographs / name), "subject": subject, "price": price, "favourite": favourite}
            file.write(json.dumps({**row, "made": made, "tags": tags}) + "\n")
    with bouba.open(home / "photos.bouba") as gallery:
        assert gallery.add(manifest).added == len(PHOTOS)
    shutil.copytree(home / "photos.bouba", home / "scratch.bouba")
    return home


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "bouba serve ended by itself"
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("bouba serve was not ready after a minute")


Serving = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def serving(home: Path) -> Serving:
    """with serving(PLACE, ..., option, ...) as address: `bouba serve` as another process."""

    @contextmanager
    def serving(*arguments: str) -> Iterator[str]:
        address = f"http://127.0.0.1:{(port := _free_port())}"
        command = [sys.executable, "-m", "bouba", "serve", *arguments, "--port", str(port)]
        with (home / f"server{port}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
            try:
                _wait(address, process)
                yield address
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)

    return serving


@pytest.fixture(scope="session")
def server(home: Path, serving: Serving) -> Iterator[str]:
    """The address of a server with three galleries."""
    others = (f"{name}={home / name}.bouba" for name in ("scratch", "empty"))
    with serving(str(home / "photos.bouba"), *others) as address:
        yield address


@pytest.fixture(scope="session")
def recording(home: Path) -> Path:
    """What the microphone hears: half a second of chirps, half a second of nothing, and so on."""
    path = home / "heard.wav"
    seconds = np.arange(3 * 48_000) / 48_000
    path.write_bytes(write_wav(to_int16(chirps(3.0) * (seconds % 1 < 0.5).astype(np.float32)), 48_000))
    return path


@pytest.fixture(scope="session")
def browser(recording: Path) -> Any:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs pip install 'bouba[dev]'")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: install chromium or google-chrome")
    quiet = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    fake = "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
    arguments = [*quiet.split(), "--disable-component-update", "--disable-sync", "--process-per-site", *fake.split()]
    playwright = opened.enter_context(sync_api.sync_playwright())
    sync_api.expect.set_options(timeout=1000 * EXPECTED_SECONDS)
    browser = playwright.chromium.launch(
        executable_path=found, args=[*arguments, f"--use-file-for-fake-audio-capture={recording}"]
    )
    opened.callback(browser.close)
    return browser


@pytest.fixture(scope="session")
def context(browser: Any) -> Callable[[bool], Any]:
    """context(phone): one for all tests, as a new one costs more than most of them do."""
    made: dict[bool, Any] = {}

    def context(phone: bool) -> Any:
        if phone not in made:
            touch = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2} if phone else {}
            allowed = ["clipboard-read", "clipboard-write", "microphone"]
            made[phone] = browser.new_context(locale="en-GB", reduced_motion="reduce", permissions=allowed, **touch)
            opened.callback(made[phone].close)
        return made[phone]

    return context


Visit = Callable[..., Any]


@pytest.fixture
def visit(context: Callable[[bool], Any], server: str) -> Iterator[Visit]:
    """visit("?q=a+cat", width=360, dark=True) -> the page, loaded. What it throws, or what its policy forbids it, fails
    the test."""
    pages, faults = [], []

    def visit(
        address: str = "",
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        base: str = server,
        answered: bool = True,
    ) -> Any:
        page = context(width < 500).new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        page.set_default_timeout(1000 * EXPECTED_SECONDS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: _collect(message, faults))
        page.goto(f"{base}/{address}")
        if answered:
            page.locator("#results[aria-busy=false]").wait_for()
        return page

    yield visit
    for page in pages:
        page.context.clear_cookies()
        page.evaluate("localStorage.clear()")
        page.close()
    assert not faults


def _collect(message: Any, faults: list[str]) -> None:
    """Answers that are errors are reported by the browser too, and are the server's business."""
    if message.type == "error" and "Failed to load resource" not in message.text:
        faults.append(message.text)


@pytest.fixture(scope="session")
def shot() -> Callable[[Any, str], None]:
    """shot(page, "name"): a picture of the page, kept with what else a build makes."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def shot(page: Any, name: str) -> None:
        page.wait_for_timeout(50)  # pictures that were there a moment ago are painted
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return shot


@pytest.fixture(scope="session")
def accessible() -> Callable[[Any], None]:
    """Fails where axe finds anything serious or critical."""
    sync_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
    axe = sync_playwright.Axe()

    def accessible(page: Any) -> None:
        found = axe.run(page).response["violations"]
        bad = [
            f"{one['id']}: {one['help']} {[node['target'] for node in one['nodes'][:4]]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert not bad, "\n".join(bad)

    return accessible


@pytest.fixture(scope="session")
def drop() -> Callable[..., None]:
    """drop(page, "#box", path, ...): files from outside, dropped there."""

    def drop(page: Any, selector: str, *paths: Path, kind: str = "drop") -> None:
        for event in ("dragenter", "dragover", "drop") if kind == "drop" else (kind,):
            page.locator(selector).dispatch_event(event, {"dataTransfer": transfer_of(page, *paths)})

    return drop


@pytest.fixture(scope="session")
def paste() -> Callable[[Any, Path], None]:
    """paste(page, path): a file from the clipboard, where the cursor is."""

    def paste(page: Any, path: Path) -> None:
        page.evaluate(
            """(clipboardData) => document.activeElement.dispatchEvent(
                new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }))""",
            transfer_of(page, path),
        )

    return paste


def transfer_of(page: Any, *paths: Path) -> Any:
    """Files as they come with a drop or from the clipboard."""
    files = [(path.name, base64.b64encode(path.read_bytes()).decode(), TYPES.get(path.suffix, "")) for path in paths]
    return page.evaluate_handle(
        """(files) => {
            const transfer = new DataTransfer();
            for (const [name, data, type] of files) {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name, { type }));
            }
            return transfer;
        }""",
        files,
    )


TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".wav": "audio/wav"}
