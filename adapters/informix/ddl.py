"""Names of Informix SQL, and tables rendered for other databases.

The rule it keeps: a name is written as it is where it is plain, for then it means the same with and without
DELIMIDENT; any other name needs DELIMIDENT, and without it is refused by its own name.
"""

from __future__ import annotations

import re
from typing import Final

from sqlglot import exp

_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]{0,127}", re.ASCII)
STORAGE: Final = "storage"
"""The argument of a Create that holds what stands behind the columns of an Informix table."""


def is_plain(name: str) -> bool:
    """Whether a catalog's name needs no quotes."""
    return _PLAIN.fullmatch(name) is not None


def portable(table: exp.Expr, dialect: str) -> exp.Expr:
    """A copy of a CREATE TABLE whose types are those that a replica in another database has.

    SQLite has no serials, and would make floats of decimals; both then hold exactly what Informix has.
    """
    copy = table.copy()
    if dialect != "sqlite":
        return copy
    for node in copy.find_all(exp.DataType):
        if node.this in {exp.DType.SERIAL, exp.DType.BIGSERIAL}:
            node.set("this", exp.DType.INT if node.this == exp.DType.SERIAL else exp.DType.BIGINT)
        elif node.this in {exp.DType.DECIMAL, exp.DType.TIMESTAMP, exp.DType.TIME, exp.DType.INTERVAL, exp.DType.DATE}:
            node.set("this", exp.DType.TEXT)
            node.set("expressions", [])
    return copy
