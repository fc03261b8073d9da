"""docs/scale.md shows what its commands print."""

from __future__ import annotations

import re

from benchmarks.scale_doc import DOC, renewed


def test_the_plans_in_the_docs_are_what_the_command_prints() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert len(re.findall(r"^\$ bouba plan --items (?:10M|100M|1B) ", text, re.MULTILINE)) >= 3
    assert renewed(text) == text, "python -m benchmarks.scale_doc"


def test_a_block_that_is_out_of_date_is_renewed() -> None:
    old = "before\n```\n$ bouba plan --items 1M\nold\n```\nafter\n"
    new = renewed(old)
    assert "old" not in new
    assert new.startswith("before\n```\n$ bouba plan --items 1M\nPlan for 1,000,000 items")
    assert new.endswith("```\nafter\n")
