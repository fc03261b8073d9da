"""docs/scale.md: what its commands print, printed anew.

    python -m benchmarks.scale_doc [--check]

Every block that begins with `$ bouba plan ...` gets the command's output of now. `--check` changes nothing and exits 1
where the file is not up to date."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path

from click.testing import CliRunner

from bouba.cli import commands

DOC = Path(__file__).parents[1] / "docs" / "scale.md"
_BLOCK = re.compile(r"```\n\$ bouba (plan [^\n]*)\n.*?```", re.DOTALL)


def renewed(text: str) -> str:
    """The document with every block as its command prints it now."""
    return _BLOCK.sub(lambda block: f"```\n$ bouba {block[1]}\n{_printed(block[1])}```", text)


def _printed(line: str) -> str:
    done = CliRunner().invoke(commands, shlex.split(line), catch_exceptions=False)
    if done.exit_code:
        raise SystemExit(f"bouba {line}: exit code {done.exit_code}\n{done.output}")
    return done.output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = DOC.read_text(encoding="utf-8")
    if check:
        sys.exit(renewed(text) != text)
    DOC.write_text(renewed(text), encoding="utf-8")


if __name__ == "__main__":
    main()
