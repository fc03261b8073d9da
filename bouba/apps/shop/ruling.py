"""Rules -> the order in which an answer's products are shown. What is hidden stays hidden, whatever else is said; then
pins, then boosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bouba.apps.shop.answers import Found
from bouba.apps.shop.rules import Rule, ranked
from bouba.apps.shop.text import fold

PinnedOf = Callable[[Sequence[str]], list[Found]]


@dataclass(frozen=True, slots=True)
class Ruled:
    products: list[Found]
    matches: int
    used: tuple[int, ...]  # rules that changed something


def ruled(products: Sequence[Found], matches: int, rules: Sequence[Rule], pinned_of: PinnedOf, ordered: bool) -> Ruled:
    """`pinned_of` gives those of some products that may be shown. `ordered`: by price or age, as was asked, so that
    only what is hidden is heeded. Boosts move products among those that match."""
    used: set[int] = set()
    hides = [rule for rule in rules if rule.kind == "hide"]
    shown = []
    for place, one in enumerate(products):
        if hidden := _about(one, hides):
            used |= {rule.id for rule in hidden}
            matches -= place < matches
        else:
            shown.append(one)
    matches = max(0, matches)
    if ordered:
        return Ruled(shown, matches, tuple(sorted(used)))
    head = _moved(shown[:matches], [rule for rule in rules if rule.kind in ("boost", "bury")], used)
    pins = [rule for rule in rules if rule.kind == "pin"]
    whole = [*head, *shown[matches:]]
    for rule in sorted(pins, key=lambda rule: (rule.place, rule.id)):
        for offset, one in enumerate(one for one in pinned_of(rule.products) if not _about(one, hides)):
            place = min(rule.place - 1 + offset, len(whole))
            there = next((n for n, other in enumerate(whole) if other.kept.id == one.kept.id), None)
            if there == place:
                continue
            kept = whole.pop(there) if there is not None else one
            matches += there is None or there >= matches
            whole.insert(place, replace(kept, why=(*kept.why, "pinned")))
            used.add(rule.id)
    return Ruled(whole, matches, tuple(sorted(used)))


def _moved(head: list[Found], rules: Sequence[Rule], used: set[int]) -> list[Found]:
    by_id = {one.kept.id: one for one in head}
    about = {id: meant for id, one in by_id.items() if (meant := _about(one, rules))}
    order = ranked(list(by_id), about)
    if order == list(by_id):
        return head
    used |= {rule.id for meant in about.values() for rule in meant}
    whys = {
        id: tuple({"boost": "boosted", "bury": "buried"}[rule.kind] for rule in meant) for id, meant in about.items()
    }
    return [replace(by_id[id], why=(*by_id[id].why, *dict.fromkeys(whys.get(id, ())))) for id in order]


def _about(one: Found, rules: Sequence[Rule]) -> list[Rule]:
    if not rules:
        return []
    product = one.product
    values = {(name, fold(value)) for variant in product.variants for name, value in product.facet_values(variant)}
    return [rule for rule in rules if rule.about(product.key, values)]
