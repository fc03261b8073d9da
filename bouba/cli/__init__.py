"""The `bouba` command.

Exit codes: 0 done, 1 an error that the message explains, 2 wrong usage, 70 a bug in bouba, 130 stopped by Ctrl-C."""

from bouba.cli import (  # noqa: F401  they register their commands
    audit,
    concept,
    copy,
    duplicates,
    evaluate,
    explain,
    gallery,
    keys,
    mcp,
    medical,
    migrate,
    models,
    moderate,
    moderation,
    plan,
    search,
    serve,
    shop,
    shop_rules,
    train,
    tune,
)
from bouba.cli.base import commands, main

__all__ = ["commands", "main"]
