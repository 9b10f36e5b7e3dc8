"""The sheet: one statement of every kind that the adapter sends, for a sample table, each with its facts.

The rule it keeps: it is complete. A kind that is missing here, or that no statement has, fails a test.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.informix.facts import Sure
from adapters.informix.statements import apply, capture, catalog, chunks
from adapters.informix.statements.statement import Column, Statement, Table
from adapters.informix.types import column_type

SAMPLE = Table(
    "cms",
    "shortcuts",
    (
        Column("acd_no", column_type(1 + 256, 2)),
        Column("name", column_type(0 + 256, 20)),
        Column("number", column_type(6 + 256, 4)),
        Column("since", column_type(10, 4879)),
        Column("takes", column_type(14, 2378)),
        Column("notes", column_type(12, 56)),
    ),
    ("acd_no", "name"),
    complete=False,
)
KEYLESS = Table("cms", "agroups", SAMPLE.columns[:2])


def sheet() -> list[Statement]:
    """One statement of each kind, in the order of the kinds' names."""
    columns = [column.name for column in SAMPLE.columns]
    every: Sequence[Statement] = [
        *capture.create_tables(),
        *capture.create_flag(),
        capture.set_flag(applying=True),
        capture.create_image(SAMPLE, 7),
        *capture.create_triggers(SAMPLE, 7),
        capture.drop_trigger("admin_sync_7_insert"),
        capture.drop_routine("FUNCTION", "admin_sync_is_applying"),
        capture.drop_table("admin_sync_journal"),
        capture.pending(),
        capture.cut_door(),
        capture.cut_journal(),
        capture.cut_witness(),
        capture.cut_images(SAMPLE, 7),
        capture.cut_large(SAMPLE),
        capture.forget_journal(),
        capture.forget_image(7),
        apply.isolation("COMMITTED READ"),
        apply.lock_wait(30),
        apply.begin(),
        apply.commit(),
        apply.rollback(),
        apply.defer(),
        apply.insert(SAMPLE, columns),
        apply.update(SAMPLE, columns[2:], SAMPLE.key, nulls=("name",)),
        apply.delete(SAMPLE, SAMPLE.key),
        *apply.checkpoint(),
        *apply.create_guard(),
        *apply.guard_triggers(SAMPLE, 7),
        chunks.first(SAMPLE, 500),
        chunks.following(SAMPLE, 500),
        chunks.between(SAMPLE, above=True, below=True),
        chunks.page(KEYLESS, 1000, 500),
        catalog.tables(),
        catalog.columns(),
        catalog.constraints(),
        catalog.references(),
        catalog.triggers(),
        catalog.states(),
        catalog.routines(),
        catalog.synonyms(),
        catalog.depends(),
        catalog.logging(),
        catalog.database(),
    ]
    return sorted(every, key=lambda statement: statement.kind)


def printed(statement: Statement) -> str:
    """A statement under the facts that it rests on, each with its section, how sure it is, and who says so."""
    lines = []
    for fact in statement.facts:
        source = f", {fact.source}" if fact.sure is Sure.VERIFIED else ""
        lines.append(f"-- fact {fact.section} ({fact.sure.value}{source}): {fact.says}")
    return "\n".join([*lines, statement.sql]) + "\n"
