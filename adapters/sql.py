"""DML and DDL as sqlglot expressions, rendered for a dialect.

The rule it keeps: an identifier is always quoted and a value always bound, so no name or value of a database can
become syntax. Statements are built once for a table and a column set and then kept by the caller; nothing here runs
for a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


def quote(name: str, dialect: str) -> str:
    """One identifier as SQL text, quoted whatever it holds."""
    return _identifier(name).sql(dialect)


def names(columns: Iterable[str], dialect: str, table: str = "") -> str:
    """A comma-separated list of quoted columns, each with its table alias where one is given."""
    prefix = f"{quote(table, dialect)}." if table else ""
    return ", ".join(prefix + quote(column, dialect) for column in columns)


def insert(table: str, columns: Sequence[str], dialect: str, *, displacing: bool = False) -> str:
    """`INSERT INTO table (columns) VALUES (?, …)`."""
    statement = _insert(table, columns)
    if displacing:
        statement.set("alternative", "REPLACE")
    return statement.sql(dialect)


def upsert(
    table: str, columns: Sequence[str], key: Sequence[str], updated: Sequence[str], dialect: str, *, rows: int = 1
) -> str:
    """An insert of so many rows that, where a row with the key of one stands already, sets the columns `updated` of it.

    `key` must be exactly the columns of a unique index. With no columns to update an existing row stays as it is.
    """
    statement = _insert(table, columns, rows)
    excluded = exp.to_identifier("excluded")
    sets = [exp.EQ(this=_identifier(c), expression=exp.column(_identifier(c), table=excluded)) for c in updated]
    conflict = exp.OnConflict(
        conflict_keys=[_identifier(column) for column in key],
        action=exp.Var(this="DO UPDATE" if sets else "DO NOTHING"),
        expressions=sets or None,
    )
    statement.set("conflict", conflict)
    return statement.sql(dialect)


def delete(table: str, columns: Sequence[str], dialect: str, *, nulls: bool, collations: Sequence[str] = ()) -> str:
    """Delete by identity: one parameter a column, or one for each column and collation where collations are given.

    `nulls` compares so that NULL equals NULL. With collations the parameters of all columns come once for each of
    them, in the order given.
    """
    statement = exp.Delete(this=_table(table))
    if columns:
        condition = exp.and_(*[equals(c, nulls=nulls, collation=k) for k in collations or ("",) for c in columns])
        statement.set("where", exp.Where(this=condition))
    return statement.sql(dialect)


def equals(column: str, *, nulls: bool, collation: str = "") -> exp.Expression:
    """`column = ?`, or its form in which NULL equals NULL, under a collation where one is given."""
    value: exp.Expression = exp.Placeholder()
    if collation:
        value = exp.Collate(this=value, expression=exp.Var(this=collation))
    kind = exp.NullSafeEQ if nulls else exp.EQ
    return kind(this=exp.column(_identifier(column)), expression=value)


def select(table: str, columns: Sequence[str], conditions: Sequence[exp.Expression], dialect: str) -> str:
    """`SELECT columns FROM table WHERE all conditions`."""
    statement = exp.select(*[exp.column(_identifier(column)) for column in columns]).from_(_table(table))
    return statement.where(*conditions).sql(dialect)


Definition = tuple[str, str, bool]
"""A column: its name, its type as SQL of the dialect ("" for none), and whether it refuses NULL."""


def create(table: exp.Table, columns: Sequence[Definition], key: Sequence[str], *, primary: bool, dialect: str) -> str:
    """`CREATE TABLE table (columns, PRIMARY KEY or UNIQUE (key))`; no constraint where there is no key."""
    parts: list[exp.Expression] = [_definition(*column) for column in columns]
    names_of_key = [_identifier(name) for name in key]
    if key and primary:
        parts.append(exp.PrimaryKey(expressions=names_of_key))
    elif key:
        parts.append(exp.UniqueColumnConstraint(this=exp.Schema(expressions=names_of_key)))
    return exp.Create(kind="TABLE", this=exp.Schema(this=table, expressions=parts)).sql(dialect)


def add_column(table: exp.Table, column: Definition, dialect: str) -> str:
    """`ALTER TABLE table ADD COLUMN column`."""
    return exp.Alter(kind="TABLE", this=table, actions=[_definition(*column)]).sql(dialect)


def set_type(table: exp.Table, column: Definition, dialect: str) -> str:
    """`ALTER TABLE table ALTER COLUMN column TYPE type USING column::type`."""
    name, declared, _ = column
    change = exp.AlterColumn(
        this=_identifier(name),
        dtype=exp.Var(this=declared),
        using=exp.Cast(this=exp.column(_identifier(name)), to=exp.Var(this=declared)),
    )
    return exp.Alter(kind="TABLE", this=table, actions=[change]).sql(dialect)


def table(name: str, schema: str = "") -> exp.Table:
    """A table by its quoted name."""
    return exp.Table(this=_identifier(name), db=_identifier(schema) if schema else None)


def _definition(name: str, declared: str, not_null: bool) -> exp.ColumnDef:  # noqa: FBT001  of `Definition`
    constraints = [exp.ColumnConstraint(kind=exp.NotNullColumnConstraint())] if not_null else []
    kind = exp.Var(this=declared) if declared else None
    return exp.ColumnDef(this=_identifier(name), kind=kind, constraints=constraints)


def tables_in(statement: str, dialect: str) -> tuple[str, ...] | None:
    """Names of all tables that the query of a view reads, sorted; None where it can not be parsed."""
    try:
        tree = sqlglot.parse_one(statement, dialect=dialect)
    except (SqlglotError, RecursionError):
        return None
    query = tree.expression if isinstance(tree, exp.Create) else tree
    if not isinstance(query, exp.Expression) or isinstance(query, exp.Command):
        # A command is what sqlglot keeps as text.
        return None
    local = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    found = {table.name for table in query.find_all(exp.Table) if table.name}
    return tuple(sorted(name for name in found if name.lower() not in local))


def _identifier(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=True)


def _table(name: str) -> exp.Table:
    return exp.Table(this=_identifier(name))


def _insert(table: str, columns: Sequence[str], rows: int = 1) -> exp.Insert:
    tuples = [exp.Tuple(expressions=[exp.Placeholder() for _ in columns]) for _ in range(rows)]
    target = exp.Schema(this=_table(table), expressions=[_identifier(column) for column in columns])
    return exp.Insert(this=target, expression=exp.Values(expressions=tuples))
