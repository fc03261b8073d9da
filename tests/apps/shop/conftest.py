from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import bouba
from bouba.apps.shop import Shop
from bouba.encoders import Model

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write("feed.csv", text) or write("feed.jsonl", row, row): a feed."""

    def write(name: str, *rows: Any) -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def shop(tmp_path: Path, tiny_model: Model) -> Iterator[Shop]:
    """An empty one."""
    with bouba.open(tmp_path / "shop.bouba", tiny_model) as gallery, Shop(gallery) as opened:
        yield opened


def row(id: str, title: str, image: str = "", **more: Any) -> dict[str, Any]:
    return {"id": id, "title": title, **({"image": image} if image else {}), **more}


@pytest.fixture
def clothes(paint: Any, write: Write) -> Path:
    """Seven products of several kinds, one of them with two variants that have pictures of their own."""
    photos = paint("red").parent
    for number, colour in enumerate(("red", "blue", "green", "black", "white", "yellow")):
        for seed in (number, number + 10):
            paint(colour, seed=seed)

    def image(colour: str, seed: int) -> str:
        return str(photos / f"{colour}{seed}.png")

    dress, shoes = "Apparel > Dresses", "Footwear > Shoes"
    two = [
        {"sku": "D2-R", "colour": "Red", "size": "S", "price": "45 EUR", "stock": 0, "image": image("red", 10)},
        {"sku": "D2-B", "colour": "Blue", "size": "M", "price": "55 EUR", "stock": 4, "image": image("blue", 11)},
    ]
    return write(
        "clothes.jsonl",
        row(
            "d1",
            "Acme dress",
            image("red", 0),
            brand="Acme",
            category=dress,
            colour="Red",
            price="30 EUR",
            stock=3,
            gender="Women",
        ),
        row("d2", "Bolt dress", brand="Bolt", category=dress, variants=two, gender="Women"),
        row(
            "d3",
            "Acme gown",
            image("green", 2),
            brand="Acme",
            category=dress,
            colour="Green",
            price="80 EUR",
            stock=1,
            gender="Women",
        ),
        row(
            "s1",
            "Bolt shoes",
            image("black", 3),
            brand="Bolt",
            category=shoes,
            colour="Black",
            price="60 EUR",
            stock=2,
            gender="Unisex",
        ),
        row(
            "s2",
            "Acme shoes",
            image("yellow", 5),
            brand="Acme",
            category=shoes,
            colour="Yellow",
            price="20 EUR",
            sale_price="15 EUR",
            stock=9,
            gender="Men",
        ),
        row(
            "s3",
            "Bolt boots",
            image("white", 4),
            brand="Bolt",
            category=shoes,
            colour="White",
            price="90 EUR",
            stock=5,
            gender="Women",
            mpn="ZX-900/B",
        ),
        row("n1", "Acme voucher", brand="Acme", category="Vouchers", price="10 EUR"),
    )


@pytest.fixture
def stocked(shop: Shop, clothes: Path) -> Shop:
    report = shop.import_feed(clothes)
    assert not report.problems
    assert report.added == 7
    return shop
