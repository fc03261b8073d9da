"""How `bouba serve` writes what it logs: JSON lines for machines, plain ones for people."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any


class JsonLines(logging.Formatter):
    """One object a line: time, level, and either what a request was (`observe`) or a message."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": at, "level": record.levelname.lower(), **_facts(record, self)})


class PlainLines(logging.Formatter):
    """`12:00:01 POST /search 200 23.1 ms 9f86d081`."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        facts = _facts(record, self)
        if "message" in facts:
            return f"{at} {facts['message']}"
        line = f"{at} {facts['method']} {facts['route']} {facts['status']} {facts['ms']} ms {facts['request_id']}"
        return f"{line} {facts['key']}" if facts["key"] else line


def _facts(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, Any]:
    request: dict[str, Any] | None = getattr(record, "request", None)
    if request is not None:
        return request
    message = record.getMessage()
    if record.exc_info:
        message = f"{message}\n{formatter.formatException(record.exc_info)}"
    return {"message": message}


def log_to_stderr(*, as_json: bool, quiet: bool) -> None:
    """Requests and what goes wrong; `quiet`: only what goes wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    for name in ("bouba.server", "uvicorn"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING if quiet or name == "uvicorn" else logging.INFO)
        logger.propagate = False
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a line for every damaged form: a 400 says it
