"""`bouba plan`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bouba.cli import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """run("--items", "10M"): what is printed, and the code."""

    def run(*arguments: object) -> tuple[str, str, int]:
        monkeypatch.setattr(sys, "argv", ["bouba", "plan", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return printed.out, printed.err, int(ended.value.code or 0)

    return run


def test_a_plan_is_a_table_of_ranges(run) -> None:  # type: ignore[no-untyped-def]
    out, _, code = run("--items", "10M", "--p95", "50ms", "--recall", "0.95")
    assert code == 0
    assert out.startswith("Plan for 10,000,000 items of 512 dimensions, p95 under 50 ms, recall@10 0.95")
    for part in ("lance IVF_RQ", "milvus DISKANN", "Zilliz Cloud capacity", "$ a year", "Prices: https://"):
        assert part in out


@pytest.mark.parametrize(
    ("items", "p95", "told"),
    [("250k", "0.2s", (250_000, 200.0)), ("1,500", "40", (1500, 40.0)), ("1.5B", "50 ms", (1_500_000_000, 50.0))],
)
def test_numbers_are_written_as_people_write_them(run, items: str, p95: str, told: tuple[int, float]) -> None:  # type: ignore[no-untyped-def]
    out, _, _ = run("--items", items, "--p95", p95, "--json")
    wish = json.loads(out)["wish"]
    assert (wish["items"], wish["p95_ms"]) == told


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (("--items", "many"), "'many': write it as 10M", 2),
        (("--items", "1M", "--p95", "soon"), "'soon': write it as 50ms", 2),
        (("--items", "1M", "--recall", "95"), "recall 95.0 is none", 1),
        (("--items", "1M", "--check", "--items-sample", "10"), "A sample of 10 items", 1),
    ],
)
def test_what_cannot_be_planned(run, arguments: tuple[str, ...], says: str, code: int) -> None:  # type: ignore[no-untyped-def]
    _, err, ended = run(*arguments)
    assert (says in err, ended) == (True, code)


def test_a_check_that_fails_ends_with_1(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    record = json.loads((Path(__file__).parents[2] / "bouba/plan/curves.json").read_text())
    for curve in record["curves"]:
        for point in curve["points"]:
            point |= {"p50_ms": 1e-6, "p95_ms": 1e-6}
    (tmp_path / "fast.json").write_text(json.dumps(record))
    arguments = ("--items", "5k", "--dims", "32", "--curves", tmp_path / "fast.json", "--check", "--items-sample", "1k")
    out, err, code = run(*arguments, "--json")
    assert code == 1
    assert "did not hold on this machine: p95_ms" in err
    assert json.loads(out)["check"]["held"] is False
