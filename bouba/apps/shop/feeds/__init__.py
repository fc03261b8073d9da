"""Product feeds -> products: rows.py (files), columns.py (what is called how), values.py (cells), catalogue.py."""

from __future__ import annotations

from bouba.apps.shop.feeds.catalogue import Catalogue, Problem, read_feed

__all__ = ["Catalogue", "Problem", "read_feed"]
