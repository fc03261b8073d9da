"""A real Milvus 2.3.5 (the `milvus` wheel), for tests and benchmarks: `with MilvusServer(folder) as server: ...`.

The binary listens on all interfaces whatever its configuration says, so it runs in a network namespace of its own,
which only this machine reaches, over a pair of virtual interfaces; that takes Linux and root. A keeper process holds
the namespace and the server. Both end, and the interfaces with them, when the process that started them ends, however.

    python -m benchmarks.milvus_server       runs one until Ctrl-C, and prints its URI
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

VERSION = "2.3.5"
START_S = 120.0
GRPC_PORT, HEALTH_PORT = 19530, 9091
_NEW_NETWORK = 0x4000_0000  # CLONE_NEWNET
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

# How often a server of tests looks for what it waits for, in ms: a second each by default, which a hundred small
# collections would pay a hundred times. Benchmarks leave the defaults.
_BRISK: Mapping[str, Mapping[str, int]] = {
    "proxy": {"timeTickInterval": 20},
    "queryCoord": {
        "checkInterval": 50, "checkChannelInterval": 50, "checkSegmentInterval": 50, "checkIndexInterval": 500,
        "distPullInterval": 50, "checkHandoffInterval": 500, "UpdateNextTargetInterval": 1,
    },
}  # fmt: skip
_BRISK_LEASE_S = 5  # a server that was killed holds its own place so long; by default 30 s


def why_not() -> str:
    """Why no server can run here; "" if one can."""
    if sys.platform != "linux":
        return "the Milvus server needs a network namespace, which only Linux has"
    if os.geteuid() != 0:
        return "the Milvus server needs a network namespace, which only root can make"
    missing = [name for name in ("milvus", "pyroute2") if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed: pip install milvus=={VERSION} pyroute2"
    probe = "import ctypes,sys; sys.exit(ctypes.CDLL(None).unshare(0x40000000))"
    if subprocess.run([sys.executable, "-c", probe], check=False).returncode != 0:
        return "no network namespace can be made here"
    return ""


class MilvusServer:
    """`brisk` is for tests: it notices what happens sooner than a server by default does."""

    def __init__(self, folder: Path, *, brisk: bool = False) -> None:
        self.folder, self._brisk = folder, brisk
        self._keeper: subprocess.Popen[str] | None = None
        self.host = ""

    @property
    def uri(self) -> str:
        return f"milvus://{self.host}:{GRPC_PORT}"

    def __enter__(self) -> Self:
        self._configure()
        command = [sys.executable, os.path.abspath(__file__), "--keep", str(self.folder)]
        self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()  # the namespace is there
        self.host = self._connect(self._keeper.pid)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._keeper is not None
        with contextlib.suppress(OSError):
            self._keeper.communicate(timeout=30)  # closes its input, which tells it to end
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        self._tell(f"start {self.host}")
        self.wait()

    def start_soon(self) -> None:
        """Without waiting until it answers."""
        self._tell(f"start {self.host}")

    def kill(self) -> None:
        """kill -9; returns when it is gone."""
        self._tell("kill")

    def wait(self) -> None:
        deadline = time.monotonic() + START_S
        url = f"http://{self.host}:{HEALTH_PORT}/healthz"
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, urllib.error.URLError):
                if b"OK" in urllib.request.urlopen(url, timeout=5).read():
                    return
            time.sleep(0.05)
        raise RuntimeError(f"Milvus has not started within {START_S:.0f} s; see {self.folder}/logs")

    def _configure(self) -> None:
        from milvus import MilvusServerConfig

        config = MilvusServerConfig(data_dir=str(self.folder))
        config.set("etcd_log_level", "error")
        config.resolve_storage()
        config.write_config()
        file = self.folder / "configs" / "milvus.yaml"
        text = file.read_text().replace("\n  level: info ", "\n  level: error ")
        if self._brisk:
            text = re.sub(r"(\n    ttl: )30 ", rf"\g<1>{_BRISK_LEASE_S} ", text)
            for section, settings in _BRISK.items():
                for name in settings:
                    text = re.sub(rf"\n  {name}: .*", "", text)
                lines = "".join(f"\n  {name}: {value}" for name, value in settings.items())
                text = text.replace(f"\n{section}:", f"\n{section}:{lines}", 1)
        file.write_text(text)

    def _connect(self, keeper: int) -> str:
        """This end of the pair; the keeper sets up the other. A subnet of the range for benchmarks (RFC 2544)."""
        from pyroute2 import IPRoute

        near, far = _addresses(keeper)
        name = f"mv{keeper}"
        with IPRoute() as routes:
            routes.link("add", ifname=name, kind="veth", peer={"ifname": "eth0", "net_ns_pid": keeper})
            index = routes.link_lookup(ifname=name)[0]
            routes.addr("add", index=index, address=near, prefixlen=30)
            routes.link("set", index=index, state="up")
        return far

    def _tell(self, order: str) -> None:
        assert self._keeper is not None
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(order + "\n")
        self._keeper.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._keeper is not None
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != "done\n":
            raise RuntimeError("the keeper of the Milvus server ended")


def _addresses(keeper: int) -> tuple[str, str]:
    first = (keeper % 32_000) * 4  # of 2 ** 17 addresses in 198.18.0.0/15
    return tuple(f"198.{18 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in (first + 1, first + 2))  # type: ignore[return-value]


def _keep(folder: Path) -> None:
    """In the keeper: obeys what comes on standard input, and ends with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; the end of the input follows
    print("done", flush=True)
    server: subprocess.Popen[bytes] | None = None
    try:
        for order in sys.stdin:
            what, _, host = order.strip().partition(" ")
            if what == "start":
                if server is None:
                    _set_up(host)
                server = _run(folder, libc)
            elif server is not None:
                server.kill()
                server.wait()
            print("done", flush=True)
    finally:
        if server is not None:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(host: str) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as routes:
        routes.link("set", index=1, state="up")
        index = routes.link_lookup(ifname="eth0")[0]
        routes.addr("add", index=index, address=host, prefixlen=30)
        routes.link("set", index=index, state="up")


def _run(folder: Path, libc: Any) -> subprocess.Popen[bytes]:
    programs = _programs()
    environment = {
        **os.environ,
        "DEPLOY_MODE": "STANDALONE",
        "METRICS_PORT": str(HEALTH_PORT),
        "MILVUS_RUN_DIR": str(folder / "run"),
        "LD_LIBRARY_PATH": str(programs),
    }
    with (folder / "logs" / "output.log").open("ab") as log:
        return subprocess.Popen(
            [str(programs / "milvus"), "run", "standalone"],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL),
        )  # fmt: skip


def _programs() -> Path:
    """The wheel's binaries, unpacked once on this machine: that takes some 15 s."""
    from milvus import _initialize_data_files
    from platformdirs import user_cache_path

    cache = user_cache_path("bouba", appauthor=False) / f"milvus-{VERSION}"
    if not (cache / "bin" / "milvus").exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache.parent))
        _initialize_data_files(str(draft))
        try:
            draft.rename(cache)
        except OSError:  # another process was quicker
            shutil.rmtree(draft)
    return cache / "bin"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.milvus_server", description=__doc__)
    parser.add_argument("--keep", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.keep:
        _keep(arguments.keep)
        return
    if reason := why_not():
        sys.exit(reason)
    with MilvusServer(Path(tempfile.mkdtemp(prefix="milvus-"))) as server:
        print(server.uri, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
