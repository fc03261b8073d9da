"""The filter language: `price < 50 and brand in ("A", "B") and not tags has "used"`.

    or, and, not, ( )            in this order from loose to tight; keywords in any letter case
    = == != <> < <= > >=         with text, numbers, dates, booleans (these only = and !=)
    in (..), not in (..)         up to 1,000 values
    between A and B              both ends included
    like "bei%", not like        % is any run, _ any one character, whatever the letter case; \\% and \\_ are literal
    has "red", not has           a list of text contains it
    is null, is not null         the item has no value, has one
    in_stock, not in_stock       a boolean field alone

Names are identifiers, or anything in backquotes: `` `price in €` ``. Text stands in '..' or "..", a quote inside
is doubled or has a backslash before it. Dates are ISO 8601, bare or quoted; a date alone is its midnight, and a
time with an offset is converted to UTC.

Nulls follow SQL's three-valued logic in every store: a comparison, `in`, `like` or `has` on a missing value is
unknown, `not unknown` is unknown, and only items for which the whole filter is true are found. An item without a price
fits neither `price < 50` nor `not price < 50`.

Filters are parsed here into a typed tree that each store compiles; their text is never handed to an engine.
"""

from bouba.stores.where.parser import parse_where
from bouba.stores.where.tree import And, Compare, Field, Has, In, IsNull, Like, Not, Or, Scalar, Where

__all__ = ["And", "Compare", "Field", "Has", "In", "IsNull", "Like", "Not", "Or", "Scalar", "Where", "parse_where"]
