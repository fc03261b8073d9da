"""/shop: products of a gallery, found in plain words, and the rules of their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from bouba.server.context import Chosen, Here, Shown, writable
from bouba.server.galleries import Served
from bouba.server.guard.access import require
from bouba.server.intake import intake
from bouba.server.openapi import problems
from bouba.server.problems import ItemMissing
from bouba.server.questions import Reader
from bouba.server.records import View, as_json
from bouba.server.routes.search import reader_of
from bouba.server.schemas_shop import (
    MOST_KEY,
    ShopAnswer,
    ShopInfo,
    ShopProductAnswer,
    ShopProducts,
    ShopRule,
    ShopRuleBody,
    ShopRuleLog,
    ShopRules,
    ShopSearchBody,
    shop_body,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bouba.apps.shop import Found, Shop

LOGGED = 100  # changes of rules in an answer

router = APIRouter(prefix="/shop", tags=["shop"])
Changing = [Depends(writable), Depends(require("write"))]
Product = Annotated[str, Query(min_length=1, max_length=MOST_KEY, description="A product's id, or a code of it.")]
Limit = Annotated[int, Query(ge=1, le=50)]
_opening = threading.Lock()


@router.post("/search", response_model=ShopAnswer, responses=problems(409), openapi_extra=shop_body(ShopSearchBody))
async def search(request: Request, here: Here, served: Chosen, shown: Shown) -> Response:
    """Find products by words, a picture or both; filters are read from the sentence."""
    here.lanes.search.check()
    asked = await intake(request, ShopSearchBody, here.settings)
    reader = reader_of(asked, here, served)
    work = partial(_answered, _shop(request, served), asked.body, reader, shown, served.name)
    return await here.lanes.search.run(request, work)


@router.get("/products/{id:path}", response_model=ShopProductAnswer, responses=problems(409))
async def product(
    request: Request, here: Here, served: Chosen, shown: Shown, id: Annotated[str, Path(max_length=MOST_KEY)]
) -> Response:
    """Everything about one product."""
    shop = _shop(request, served)

    def work() -> Response:
        return as_json(_linked(shop.product(id).in_full(), shown))

    return await here.lanes.files.run(request, partial(_found, work))


@router.get("/similar", response_model=ShopProducts, responses=problems(409))
async def similar(
    request: Request, here: Here, served: Chosen, shown: Shown, product: Product, limit: Limit = 12
) -> Response:
    """Products that look like one."""
    shop = _shop(request, served)
    work = partial(_found, lambda: _listed(shop.similar(product, limit), shown))
    return await here.lanes.search.run(request, work)


@router.get("/goes-with", response_model=ShopProducts, responses=problems(409))
async def goes_with(
    request: Request, here: Here, served: Chosen, shown: Shown, product: Product, limit: Limit = 12
) -> Response:
    """Products of other kinds that go with one."""
    shop = _shop(request, served)
    work = partial(_found, lambda: _listed(shop.goes_with(product, limit), shown))
    return await here.lanes.search.run(request, work)


@router.get("/info", response_model=ShopInfo, responses=problems(409))
async def info(request: Request, here: Here, served: Chosen) -> Response:
    """What the shop holds."""
    shop = _shop(request, served)
    return await here.lanes.files.run(request, lambda: as_json({**shop.info(), "gallery": served.name}))


@router.get("/rules", response_model=ShopRules, responses=problems(409), dependencies=[Depends(require("write"))])
async def rules(request: Request, here: Here, served: Chosen) -> Response:
    """The rules, each with how many answers it has changed."""
    shop = _shop(request, served)

    def work() -> Response:
        uses = shop.rules.uses()
        return as_json(
            {"rules": [{**one.to_dict(), "told": one.told(), "used": uses.get(one.id, 0)} for one in shop.rules.all()]}
        )

    return await here.lanes.files.run(request, work)


@router.get("/rules/log", response_model=ShopRuleLog, responses=problems(409), dependencies=[Depends(require("write"))])
async def log(request: Request, here: Here, served: Chosen) -> Response:
    """Who changed which rule and when, the latest first."""
    shop = _shop(request, served)
    return await here.lanes.files.run(request, lambda: as_json({"log": shop.rules.log(LOGGED)}))


@router.post(
    "/rules",
    response_model=ShopRule,
    responses=problems(409),
    openapi_extra=shop_body(ShopRuleBody),
    dependencies=Changing,
)
async def add_rule(request: Request, here: Here, served: Chosen) -> Response:
    """Add a rule; one that says the opposite of another is refused."""
    from bouba.apps.shop import rule_of

    served.writes.check()
    rule = rule_of((await intake(request, ShopRuleBody, here.settings)).body.model_dump())
    shop = _shop(request, served)

    def work() -> Response:
        _ = shop.rules  # without a catalogue there is nothing to rule, and nothing to write down
        request.state.guard.audit.write(request, "shop.rule.add", gallery=served.name, kind=rule.kind)
        return as_json({**shop.rules.add(rule, who=_who(request)).to_dict(), "used": 0})

    return await served.writes.run(request, work)


@router.delete("/rules/{id}", response_model=ShopRule, responses=problems(409), dependencies=Changing)
async def remove_rule(request: Request, served: Chosen, id: Annotated[int, Path(ge=1, le=2**53)]) -> Response:
    """Remove a rule; the log keeps it."""
    shop = _shop(request, served)

    def work() -> Response:
        if id not in {rule.id for rule in shop.rules.all()}:
            raise ItemMissing(f"There is no rule {id} in the shop {served.name}.")
        request.state.guard.audit.write(request, "shop.rule.remove", gallery=served.name, rule=id)
        return as_json({**shop.rules.remove(id, who=_who(request)).to_dict(), "used": 0})

    return await served.writes.run(request, work)


def _shop(request: Request, served: Served) -> Shop:
    """One for each gallery, for as long as the app lives. Raises QueryError for a gallery in memory."""
    from bouba.apps.shop import Shop

    with _opening:
        if not hasattr(request.app.state, "shops"):
            request.app.state.shops = {}
        shops: dict[str, Shop] = request.app.state.shops
        if served.name not in shops:
            shops[served.name] = Shop(served.gallery)
        return shops[served.name]


def _answered(shop: Shop, wish: ShopSearchBody, reader: Reader, shown: View, name: str) -> Response:
    from bouba.apps.shop import Ask, of_dict

    started = time.perf_counter()
    ask = Ask(
        wish.text,
        None if wish.image is None else reader.picture(wish.image),
        tuple(of_dict(one.model_dump()) for one in wish.filters),
        wish.limit,
        wish.offset,
        wish.exact,
        wish.facets,
        wish.relax,
        text_weight=wish.text_weight,
        image_weight=wish.image_weight,
    )
    record = shop.search(ask).to_dict()
    products = [_linked(one, shown) for one in record.pop("products")]
    took = round(1000 * (time.perf_counter() - started), 2)
    return as_json({**record, "gallery": name, "took_ms": took, "products": products})


def _found(work: Callable[[], Response]) -> Response:
    from bouba.apps.shop import ProductMissing

    try:
        return work()
    except ProductMissing as error:
        raise ItemMissing(str(error)) from None


def _listed(products: Sequence[Found], shown: View) -> Response:
    return as_json({"products": [_linked(one.to_dict(), shown) for one in products]})


def _linked(record: dict[str, Any], shown: View) -> dict[str, Any]:
    return {**record, "pictures": [{"id": item, **shown.links(item)} for item in record["pictures"]]}


def _who(request: Request) -> str:
    return request.state.caller.key_id or "server"
