"""Rules that contradict each other are found before any picture is judged by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from bouba.apps.moderation.policy import Policy, PolicyError, Rule


def check(policy: Policy, where: str) -> None:
    """Raises PolicyError with everything that contradicts itself, and the way out of each."""
    found = [*_names(policy), *(one for rule in policy.rules for one in _within(rule)), *_between(policy)]
    found += _of_tests(policy)
    if found:
        raise PolicyError("\n".join(f"{where}: {one}" for one in found))


def plain(text: str) -> str:
    """How texts are compared: without case, articles, ends of sentences and repeated blanks."""
    words = text.casefold().strip(" .!?").split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def _names(policy: Policy) -> Iterator[str]:
    for name, count in Counter(rule.name.casefold() for rule in policy.rules).items():
        if count > 1:
            yield f"{count} rules are called {name!r}. Give each a name of its own: labels and tests go by it."


def _within(rule: Rule) -> Iterator[str]:
    flagged = {plain(text): text for text in rule.flag}
    for kind, texts in _pardons(rule):
        for text in texts:
            if plain(text) in flagged:
                yield f"rule {rule.name!r} both flags {text!r} and has it as {kind}. Keep one of them."
    breaking = {one.digest: one.name for one in rule.pictures}
    for one in rule.fine_pictures:
        if one.digest in breaking:
            yield (
                f"rule {rule.name!r}: the picture {one.name} breaks the rule (as {breaking[one.digest]}) and is fine. "
                "Take it out of one list."
            )


def _pardons(rule: Rule) -> Iterator[tuple[str, Iterable[str]]]:
    yield "fine", rule.fine
    for exemption in rule.exemptions:
        yield "an exception", exemption.texts


def _between(policy: Policy) -> Iterator[str]:
    """Two rules that flag the same, one to let it pass and one to stop it."""
    first: dict[str, Rule] = {}
    for rule in policy.rules:
        for text in dict.fromkeys(rule.flag):
            other = first.setdefault(plain(text), rule)
            if other is not rule and {other.action, rule.action} == {"allow", "block"}:
                yield (
                    f"{text!r} is allowed by one of the rules {other.name!r} and {rule.name!r}, and blocked by the "
                    "other. Take it out of one of them."
                )


def _of_tests(policy: Policy) -> Iterator[str]:
    known = {rule.name: rule.action for rule in policy.rules}
    expected: dict[str, tuple[str, object]] = {}
    for case in policy.cases:
        for name in case.rules or ():
            if name not in known:
                yield f"the test {case.name!r} names a rule {name!r}; there are: {', '.join(known)}."
        name, before = expected.setdefault(case.picture.digest, (case.name, (case.decision, case.rules)))
        if before != (case.decision, case.rules):
            yield f"the tests {name!r} and {case.name!r} expect different things of one picture. Keep one of them."
