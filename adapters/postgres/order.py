"""The order of keys, in Python as the server has it, for the kinds of column that a key may have.

The rule it keeps: two canonical values compare here as their columns do in `ranges.py`. It is asked for the few rows
that changed while a chunk was read, never for a whole table.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import cast

from sync.model.change import Row, Value
from sync.model.schema import Kind, TableSchema

Sorted = tuple[object, ...]


def key_order(schema: TableSchema) -> Callable[[Row], Sorted]:
    """A function from a key to what sorts as it does."""
    kinds = [_ORDERS.get(schema.columns[at].type.kind, _plain) for at in schema.key]
    return lambda key: tuple(order(value) for order, value in zip(kinds, key, strict=True))


def _plain(value: Value) -> Sorted:
    return (value,)


def _float(value: Value) -> Sorted:
    # NaN is the largest of all.
    return (value != value, 0.0 if value != value else value)  # noqa: PLR0124 only NaN differs from itself


def _decimal(value: Value) -> Sorted:
    number = Decimal(cast("str", value))
    return (number.is_nan(), Decimal(0) if number.is_nan() else number)


def _date(value: Value) -> Sorted:
    """ISO text sorts by itself but for infinity, years before Christ, and years of five digits."""
    text = cast("str", value)
    if text.endswith("infinity"):
        return (-1 if text.startswith("-") else 1, 0, "")
    year, rest = text.split("-", 1)
    return (0, 1 - int(year), rest) if text.endswith(" BC") else (0, int(year), rest)


_ORDERS: dict[Kind, Callable[[Value], Sorted]] = {
    Kind.FLOAT: _float,
    Kind.DECIMAL: _decimal,
    Kind.MONEY: _decimal,
    Kind.DATE: _date,
    Kind.DATETIME: _date,
}
