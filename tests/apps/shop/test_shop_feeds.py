"""Feeds of every kind -> the same products; wrong rows are reported with their lines, and lose nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bouba.apps.shop.feeds import read_feed
from bouba.apps.shop.money import amount
from bouba.errors import ManifestError

SHOPIFY = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,"
    "Option2 Value,Variant SKU,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,"
    "Variant Barcode,Image Src,Image Position,Variant Image,Status\n"
)


def test_shopify_rows_of_one_handle_are_one_product(write: Any) -> None:
    feed = write(
        "products_export.csv",
        SHOPIFY,
        'tee,Plain tee,"<p>Soft &amp; <b>warm</b></p>",Acme,Apparel > Shirts,T-shirt,"a, b",true,'
        "Color,Red,Size,S,T-1,3,deny,19.90,25.00,0012345,a.jpg,1,red.jpg,active\n",
        "tee,,,,,,,,,Blue,,M,T-2,0,continue,18.00,,,b.jpg,2,blue.jpg,\n",
        "tee,,,,,,,,,,,,,,,,,,c.jpg,3,,\n",
        "old,Old tee,,Acme,,,,true,Title,Default Title,,,O-1,1,deny,5,,,o.jpg,1,,draft\n",
    )
    read = read_feed(feed)
    assert read.problems == []
    assert read.unlisted == {"old"}
    (tee,) = read.products
    assert (tee.key, tee.title, tee.brand, tee.description) == ("tee", "Plain tee", "Acme", "Soft & warm")
    assert tee.category == ("Apparel", "Shirts", "T-shirt")
    assert tee.pictures == ("a.jpg", "red.jpg", "b.jpg", "blue.jpg", "c.jpg")
    red, blue = tee.variants
    assert (red.key, red.price, red.was, red.stock, red.available) == ("T-1", 19.9, 25.0, 3, True)
    assert red.options == {"colour": "Red", "size": "S"}
    assert red.codes == ("T-1", "0012345")
    assert red.pictures == ("red.jpg",)
    assert (blue.stock, blue.available, blue.was) == (0, True, None)  # sold when out of stock
    assert blue.options == {"colour": "Blue", "size": "M"}


GOOGLE_ROWS = [
    {
        "id": "1",
        "item_group_id": "g",
        "title": "Lamp",
        "price": "30.00 GBP",
        "sale_price": "20.00 GBP",
        "color": "Red",
        "availability": "in_stock",
        "image_link": "https://e.org/1.jpg",
        "product_type": "Home > Lamps",
        "gtin": "4006381333931",
    },
    {
        "id": "2",
        "item_group_id": "g",
        "title": "Lamp",
        "price": "30.00 GBP",
        "color": "Blue",
        "availability": "out of stock",
        "image_link": "https://e.org/2.jpg",
        "product_type": "Home > Lamps",
        "gtin": "",
    },
]


def _tsv() -> str:
    head = "\t".join(GOOGLE_ROWS[0])
    return "\n".join([head, *("\t".join(str(row.get(name, "")) for name in GOOGLE_ROWS[0]) for row in GOOGLE_ROWS)])


def _xml(entry: str = "item") -> str:
    items = "".join(
        f"<{entry}>"
        + "".join(f"<g:{k}>{v.replace('>', '&gt;')}</g:{k}>" for k, v in row.items() if v)
        + f"</{entry}>\n"
        for row in GOOGLE_ROWS
    )
    return f'<?xml version="1.0"?>\n<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{items}</channel></rss>'


@pytest.mark.parametrize(
    ("name", "text"), [("f.tsv", _tsv()), ("f.txt", _tsv()), ("f.xml", _xml()), ("f.atom", _xml("entry"))]
)
def test_google_rows_of_one_group_are_one_product(write: Any, name: str, text: str) -> None:
    read = read_feed(write(name, text))
    assert read.problems == []
    assert read.currency == "GBP"
    (lamp,) = read.products
    assert lamp.key == "g"
    assert lamp.category == ("Home", "Lamps")
    assert [(one.key, one.price, one.was, one.available) for one in lamp.variants] == [
        ("1", 20.0, 30.0, True),
        ("2", 30.0, None, False),
    ]
    assert [one.pictures for one in lamp.variants] == [("https://e.org/1.jpg",), ("https://e.org/2.jpg",)]
    assert lamp.variants[0].codes == ("1", "4006381333931")


def test_columns_may_be_called_otherwise(write: Any) -> None:
    feed = write("f.jsonl", {"nr": 7, "label": "Apple", "wide": "Food", "narrow": "Fruit", "shade": "Red"})
    chosen = {"id": "nr", "title": "label", "category": "wide,narrow", "colour": "shade"}
    (apple,) = read_feed(feed, chosen).products
    assert (apple.key, apple.title, apple.category) == ("7", "Apple", ("Food", "Fruit"))
    assert apple.variants[0].options == {"colour": "Red"}
    with pytest.raises(ManifestError, match="no column 'nope'; it has: nr, label"):
        read_feed(feed, {**chosen, "colour": "nope"})
    with pytest.raises(ManifestError, match="'shade' is no field"):
        read_feed(feed, {"shade": "nr"})


def test_wrong_rows_are_named_and_the_others_kept(write: Any) -> None:
    rows = [
        "id,title,price,stock,availability,added\n",
        "1,One,9.90 EUR,3,in stock,2026-01-05\n",
        ",No id,1,1,,\n",
        "2,,1,1,,\n",
        "3,Three,cheap,1,,\n",
        "4,Four,-5,1,,\n",
        "5,Five,5,some,,\n",
        "6,Six,6,1,maybe,\n",
        "7,Seven,7\n",
        "1,Again,9,1,,\n",
        "8,Eight,8 USD,1,,\n",
        "9,Nine,9,1,,yesterday\n",
        "10,Ten,10 EUR,1,,\n",
    ]
    read = read_feed(write("f.csv", *rows))
    assert [one.key for one in read.products] == ["1", "10"]
    assert [(one.line, one.reason) for one in read.problems] == [
        (3, "no id."),
        (4, "no title."),
        (5, "'cheap' is no price."),
        (6, "'-5' is no price."),
        (7, "'some' is no number of pieces."),
        (8, "availability is 'maybe', not in_stock, out_of_stock, preorder or backorder."),
        (9, "3 cells under 6 columns."),
        (10, "the variant '1' stands in the feed twice."),
        (12, "'yesterday' is no date such as 2026-03-01."),
        (11, "priced in USD, and this catalogue is in EUR: prices cannot be compared."),
    ]


def test_a_feed_that_breaks_off_keeps_what_came_before(write: Any, tmp_path: Path) -> None:
    broken = write("f.xml", _xml().replace("</channel></rss>", "<item><g:id>3</g:id><oops"))
    read = read_feed(broken)
    assert len(read.products) == 1
    assert "the rest is not read" in read.problems[0].reason
    lines = write("f.jsonl", '{"id": 1, "title": "One"}\n', "not json\n", "[1]\n", '{"id": 2, "title": "Two"}\n')
    read = read_feed(lines)
    assert [one.key for one in read.products] == ["1", "2"]
    assert [one.line for one in read.problems] == [2, 3]
    (tmp_path / "latin.csv").write_bytes(b"id,title\n1,One\n2,Caf\xe9\n3,Three\n")
    read = read_feed(tmp_path / "latin.csv")
    assert [one.key for one in read.products] == ["1", "3"]
    assert [(one.line, one.reason) for one in read.problems] == [(3, "not UTF-8: save the feed as UTF-8.")]


def test_entities_of_a_document_type_are_not_taken(write: Any) -> None:
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><rss><channel><item><id>&a;</id></item></channel></rss>'
    )
    with pytest.raises(ManifestError, match="no column holds ids"):
        read_feed(write("f.xml", bomb))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("f.xls", "x", "feeds are .csv"),
        ("f.csv", "", "is empty"),
        ("f.csv", "a,b\n1,2\n", "no column holds ids"),
        ("f.csv", "id,colour\n1,Red\n", "neither titles nor prices"),
        ("f.xml", "<a></a>", "no <item>"),
    ],
)
def test_what_is_no_feed(write: Any, name: str, text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_feed(write(name, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.99 USD", (12.99, "USD")),
        ("USD 12.99", (12.99, "USD")),
        ("$1,299.00", (1299.0, "USD")),
        ("1.299,00 €", (1299.0, "EUR")),
        ("12,5", (12.5, "")),
        ("1,299", (1299.0, "")),
        ("1 299", (1299.0, "")),
        (7, (7.0, "")),
        ("£0", (0.0, "GBP")),
        ("1'000.50 CHF", (1000.5, "CHF")),
    ],
)
def test_amounts(text: Any, expected: tuple[float, str]) -> None:
    assert amount(text) == expected


@pytest.mark.parametrize("text", ["", "free", "-1", "1e99", float("nan"), "12 XYZ", "1.2.3.4,5,6", True])
def test_what_is_no_amount(text: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        amount(text)
