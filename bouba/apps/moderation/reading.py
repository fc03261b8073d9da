"""A guideline's TOML file -> Policy. Strict: a slip of the pen is never a rule that is silently not applied."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from bouba.apps.moderation.contradictions import check
from bouba.apps.moderation.policy import (
    ACTIONS,
    SEVERITIES,
    THRESHOLD,
    Case,
    Example,
    Exemption,
    Policy,
    PolicyError,
    Promise,
    Rule,
)
from bouba.errors import MediaError
from bouba.media import load_text, read_source

NAME = re.compile(r"[\w][\w .,'()/-]{0,59}")
MOST_BYTES = 2**20  # of a file
MOST_RULES, MOST_TEXTS, MOST_PICTURES, MOST_CASES = 100, 50, 50, 1000

_T = TypeVar("_T")
ReadPicture = Callable[[str], Example]


def load_policy(path: str | PathLike[str]) -> Policy:
    """From a file; pictures are named relative to it. Raises PolicyError, which names file, rule and key."""
    file = Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PolicyError(f"The policy {file} cannot be read: {error.strerror}.") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{file} is no text in UTF-8 (byte {error.start:,}). Save it as UTF-8.") from None
    return parse_policy(text, str(file), lambda name: _file(file.parent, name))


def parse_policy(text: str, where: str, picture: ReadPicture | None = None) -> Policy:
    """From the text of a file; `where` is its name in messages. Without `picture` it may name no pictures."""
    if len(text) > MOST_BYTES:
        raise PolicyError(f"{where}: {len(text):,} characters, the limit is {MOST_BYTES:,}. Split the policy.")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"{where} is no TOML: {error}.") from None
    reader = _Table(table, where, picture or _refused)
    policy = reader.policy(text)
    check(policy, where)
    return policy


class _Table:
    """One table of the file, of which every key must be asked for."""

    def __init__(self, table: Mapping[str, Any], where: str, picture: ReadPicture) -> None:
        self._left, self._where, self._picture = dict(table), where, picture

    def policy(self, source: str) -> Policy:
        promise = self._promise(Promise())
        rules = tuple(rule._rule(promise) for rule in self._tables("rules", "rule", MOST_RULES))
        if not rules:
            raise self._error("has no rules. Write at least one [[rules]] with `name` and `flag`")
        name, description = self._name(), self._text("description", "")
        cases = tuple(case._case(number) for number, case in enumerate(self._tables("tests", "test", MOST_CASES), 1))
        self._end()
        return Policy(name, rules, description, cases, source)

    def _rule(self, promise: Promise) -> Rule:
        name = self._name()
        self._where += f" ({name!r})"
        rule = Rule(
            name,
            self._texts("flag"),
            self._pictures("pictures"),
            self._texts("fine"),
            self._pictures("fine_pictures"),
            self._one_of("severity", SEVERITIES, "medium"),
            self._one_of("action", ACTIONS, "review"),
            self._share("threshold") or THRESHOLD,
            self._promise(promise),
            tuple(one._exemption() for one in self._tables("exceptions", "exception", MOST_TEXTS)),
        )
        if not rule.flag:
            raise self._error('says in no words what it flags. Write flag = ["a gun", ...]')
        self._end()
        return rule

    def _exemption(self) -> Exemption:
        exemption = Exemption(self._texts("when"), self._pictures("pictures"), self._text("reason", ""))
        if not exemption.texts and not exemption.pictures:
            raise self._error('says nowhere when it holds. Write when = ["a kitchen"], or pictures')
        self._end()
        return exemption

    def _case(self, number: int) -> Case:
        name = self._text("name", f"test {number}")
        picture = self._picture_of(self._text("picture", ""))
        decision = self._one_of("decision", (*ACTIONS, None), None)
        rules = self._texts("rules") if "rules" in self._left else None
        if decision is None and rules is None:
            raise self._error("expects nothing. Write decision, or rules = [...] with those that are broken")
        self._end()
        return Case(name, picture, decision, rules)

    def _promise(self, default: Promise) -> Promise:
        if "guarantee" not in self._left:
            return default
        inner = self._inner("guarantee", self._left.pop("guarantee"))
        promise = Promise(inner._share("miss"), inner._share("false_alarm"), inner._share("confidence"))
        if not promise:
            raise inner._error("promises nothing. Write miss, false_alarm or both, such as miss = 0.05")
        inner._end()
        return promise

    def _tables(self, key: str, what: str, most: int) -> list[_Table]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or len(value) > most:
            raise self._error(f"{key}: write each as [[{key}]], at most {most}")
        return [self._inner(f"{what} {number}", one) for number, one in enumerate(value, 1)]

    def _inner(self, name: str, value: Any) -> _Table:
        where = f"{self._where}, {name}"
        if not isinstance(value, dict):
            raise PolicyError(f"{where} is no table.")
        return _Table(value, where, self._picture)

    def _name(self) -> str:
        name = self._text("name", "")
        if not NAME.fullmatch(name):
            raise self._error(f'{name!r:.80} is no name: letters, digits and spaces, at most 60, as name = "weapons"')
        return name

    def _text(self, key: str, default: str) -> str:
        value = self._left.pop(key, default)
        if not isinstance(value, str) or len(value) > 2000:
            raise self._error(f"{key} is to be a text of at most 2,000 characters")
        return value

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > MOST_TEXTS:
            raise self._error(f'{key} is to be a list of at most {MOST_TEXTS} texts, as {key} = ["a gun"]')
        try:
            return tuple(load_text(one) for one in value)
        except MediaError as error:
            raise self._error(f"{key}: {str(error).rstrip('.')}") from None

    def _pictures(self, key: str) -> tuple[Example, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > MOST_PICTURES:
            raise self._error(f'{key} is to be a list of at most {MOST_PICTURES} files, as {key} = ["examples/a.jpg"]')
        return tuple(self._picture_of(one) for one in value)

    def _picture_of(self, name: str) -> Example:
        if not name:
            raise self._error("picture: names no file")
        try:
            return self._picture(name)
        except MediaError as error:
            raise self._error(str(error).rstrip(".")) from error

    def _share(self, key: str) -> float | None:
        value = self._left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise self._error(f"{key} is {value!r:.40}; it is a share above 0 and below 1, as 0.05")
        return float(value)

    def _one_of(self, key: str, known: tuple[_T, ...], default: _T) -> _T:
        value = self._left.pop(key, default)
        if value not in known:
            there = ", ".join(str(one) for one in known if one is not None)
            raise self._error(f"{key} is {value!r:.40}; it is one of: {there}")
        return known[known.index(value)]

    def _end(self) -> None:
        if self._left:
            raise self._error(f"{next(iter(self._left))!r:.60} is no key here. Is it misspelt? See docs/moderation.md")

    def _error(self, what: str) -> PolicyError:
        return PolicyError(f"{self._where}: {what}.")


def _file(folder: Path, name: str) -> Example:
    return Example(name, read_source(folder / name))


def _refused(name: str) -> Example:
    raise PolicyError(
        f"{name!r:.80}: a policy that is sent may name no pictures. Label pictures of the gallery instead, or register "
        "the policy's file: bouba moderate POLICY --gallery PLACE"
    )
