"""A shop: products found in plain words. feeds/ reads catalogues; importing.py (with pictures.py and telling.py) puts
them into the shelf and the gallery; parsing.py (with vocabulary.py, sayings.py and sizes.py) reads sentences;
searching.py (with folding.py, ruling.py and related.py) answers."""

from __future__ import annotations

from bouba.apps.shop.answers import Answer, Facet, Found
from bouba.apps.shop.filters import Filter, of_dict
from bouba.apps.shop.importing import ImportReport
from bouba.apps.shop.rules import Rule, RuleConflict, Rules, rule_of
from bouba.apps.shop.searching import Ask
from bouba.apps.shop.shop import ProductMissing, Shop, ShopMissing

__all__ = [
    "Answer", "Ask", "Facet", "Filter", "Found", "ImportReport", "ProductMissing", "Rule", "RuleConflict", "Rules",
    "Shop", "ShopMissing", "of_dict", "rule_of",
]  # fmt: skip
