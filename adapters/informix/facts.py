"""What is known of Informix, and which statement rests on what: nothing is sent that can not be traced to here.

The rule it keeps: a statement has a kind, and every kind names its facts. A fact says how sure it is; what comes from
memory or is inferred is what a real server has to confirm first, and what changes here when it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Sure(Enum):
    """How sure a fact is. The value is the word that is printed."""

    VERIFIED = "verified"
    """Seen in a manual, or in a program that runs against Informix."""
    INFERRED = "inferred"
    MEMORY = "from memory"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known. `section` is that of the fact sheet; `source` says who says so."""

    section: str
    says: str
    source: str
    sure: Sure = Sure.VERIFIED


FACTS: Final[Mapping[str, Fact]] = {
    "trigger-insert": Fact("1.1", "CREATE TRIGGER name INSERT ON table REFERENCING NEW AS n FOR EACH ROW (…)", "SymmetricDS"),
    "trigger-update": Fact("1.1", "UPDATE [OF columns] ON table REFERENCING OLD AS o NEW AS n, no comma between", "SymmetricDS"),
    "trigger-delete": Fact("1.1", "DELETE ON table REFERENCING OLD AS o FOR EACH ROW (…)", "manual sqs_0632"),
    "trigger-when": Fact("1.1", "WHEN may call a function of the user", "SymmetricDS"),
    "trigger-actions": Fact("1.1", "actions are INSERT, UPDATE, DELETE and EXECUTE, and read o.column, n.column", "manual sqt_522"),
    "trigger-large": Fact("1.3", "TEXT, BYTE, BLOB and CLOB can not be read in a trigger: the row is read again by its key", "SymmetricDS"),
    "trigger-many": Fact("1.3", "several triggers of one event may stand on a table since 11.10", "memory", Sure.MEMORY),
    "spl-one-text": Fact("1.2", "a routine is sent as one text, with its semicolons, and ends in END FUNCTION", "python-ibmdb"),
    "spl-global": Fact("1.5", "DEFINE GLOBAL with a DEFAULT is one variable for all routines of a session", "SymmetricDS"),
    "spl-call": Fact("1.5", "SELECT f('t') FROM sysmaster:sysdual calls a function", "SymmetricDS"),
    "spl-select": Fact("1.2", "LET variable = (SELECT …); IF … THEN …; END IF; in a routine", "manual sqt_556"),
    "spl-raise": Fact("1.2", "RAISE EXCEPTION -746, 0, text refuses with a text of at most 70 bytes", "manual sqt_554"),
    "own-login": Fact("1.5", "a global variable is not undone by a rollback: it is set anew in each connection", "manual sqs_0177"),
    "lock-row": Fact("2.1", "LOCK MODE ROW stands behind the columns; without it pages are locked", "informixcdc"),
    "serial-zero": Fact("2.1", "0 in a serial column makes the server choose the next number", "4js"),
    "serial-wide": Fact("2.1", "BIGSERIAL exists since 11.50", "memory", Sure.MEMORY),
    "constraint-last": Fact("1.4", "a constraint's name stands behind it: PRIMARY KEY (c) CONSTRAINT name", "SymmetricDS"),
    "isolation": Fact("2.2", "SET ISOLATION TO DIRTY READ, COMMITTED READ [LAST COMMITTED], REPEATABLE READ", "4js"),
    "dirty": Fact("2.2", "DIRTY READ sees what is not committed, takes no lock and waits for none", "memory", Sure.MEMORY),
    "last-committed": Fact("2.2", "LAST COMMITTED gives the version before, where rows are locked and not pages", "manual of 12.10"),
    "lock-wait": Fact("2.2", "SET LOCK MODE TO WAIT seconds; without it a lock is an error at once", "manual sqs SET LOCK MODE"),
    "share-lock": Fact("2.3", "LOCK TABLE IN SHARE MODE waits for whoever has written and not committed", "memory", Sure.MEMORY),
    "delete-shipped": Fact("2.3", "what was shipped is deleted by its own numbers, never by a high-water mark", "inference", Sure.INFERRED),
    "logging": Fact("2.4", "sysmaster:sysdatabases has name, is_logging, is_buff_log, is_ansi", "manual admin_0683"),
    "begin-work": Fact("2.4", "a database that is not ANSI needs BEGIN WORK for each transaction", "informix-driver"),
    "first": Fact("2.5", "SELECT SKIP n FIRST m stands before the columns", "manual sqt_074"),
    "no-upsert": Fact("2.5", "there is no upsert; MERGE needs a cast of each value, and that of a ? is unsure", "linq2db"),
    "update-insert": Fact("2.5", "UPDATE, and where it finds no row INSERT; a failed statement leaves the transaction", "memory", Sure.MEMORY),
    "one-row-values": Fact("2.5", "VALUES holds one row; many rows are an array of parameters", "linq2db"),
    "array-insert": Fact("3", "execute_many sends an array of parameters", "python-ibmdb"),
    "deferred": Fact("2.5", "SET CONSTRAINTS ALL DEFERRED holds until the end of the transaction", "manual sqs_0037"),
    "cast": Fact("2.5", "value::type casts", "linq2db"),
    "interval-text": Fact("3", "a driver gives an interval where it is cast to CHAR", "memory", Sure.MEMORY),
    "names": Fact("2.5", "names are stored in lower case; a plain one means the same with and without DELIMIDENT", "SymmetricDS"),
    "owner": Fact("2.6", "'owner'.table names a table; an ANSI database wants the owner, and quotes keep its case", "manual sqs_1704"),
    "systables": Fact("2.6", "systables: tabid from 100 on, tabtype T V S P E, rowsize, locklevel, nrows", "manual sqr_072"),
    "syscolumns": Fact("2.6", "syscolumns: colno, colname, coltype, collength, extended_id; sysxtdtypes has the name", "informixcdc"),
    "sysconstraints": Fact("2.6", "sysconstraints: constrtype P, U, R, C, N, and the index behind it", "manual sqr_029"),
    "sysindexes": Fact("2.6", "sysindexes: part1 to part16 are column numbers, 0 for none, negative for descending", "linq2db"),
    "sysreferences": Fact("2.6", "sysreferences: constrid, primary, ptabid, delrule, C where it cascades", "django_informixdb"),
    "systriggers": Fact("2.6", "systriggers: trigname, owner, tabid, event (I, U, D)", "SymmetricDS"),
    "sysobjstate": Fact("2.6", "sysobjstate: objtype T, name, tabid, state (D is disabled)", "manual sqr_047"),
    "catalog-owner": Fact("2.6", "an ANSI database wants informix. before the catalog's tables; none minds it", "manual sqs_1703"),
    "sysprocedures": Fact("2.6", "sysprocedures: procname, owner, procid", "SymmetricDS"),
    "syssyntable": Fact("2.6", "syssyntable: tabid, btabid, or servername, dbname, owner, tabname of what is elsewhere", "memory", Sure.MEMORY),
    "sysdepend": Fact("2.6", "sysdepend: btabid is what the view or table dtabid is built on", "memory", Sure.MEMORY),
    "dbinfo": Fact("2.6", "dbinfo('dbname') and DBINFO('version', 'full')", "SymmetricDS"),
}  # fmt: skip

RESTS_ON: Final[Mapping[str, tuple[str, ...]]] = {
    "begin": ("begin-work",),
    "catalog-columns": ("syscolumns", "catalog-owner"),
    "catalog-constraints": ("sysconstraints", "sysindexes", "catalog-owner"),
    "catalog-database": ("dbinfo", "spl-call"),
    "catalog-depends": ("sysdepend", "catalog-owner"),
    "catalog-logging": ("logging",),
    "catalog-references": ("sysreferences", "catalog-owner"),
    "catalog-states": ("sysobjstate", "catalog-owner"),
    "catalog-routines": ("sysprocedures", "catalog-owner"),
    "catalog-synonyms": ("syssyntable", "catalog-owner"),
    "catalog-tables": ("systables", "catalog-owner"),
    "catalog-triggers": ("systriggers", "catalog-owner"),
    "checkpoint-create": ("lock-row", "constraint-last", "names"),
    "checkpoint-insert": ("no-upsert", "update-insert"),
    "checkpoint-read": ("names",),
    "checkpoint-update": ("no-upsert", "update-insert"),
    "chunk-first": ("first", "owner", "cast", "interval-text"),
    "chunk-next": ("first", "owner", "cast", "interval-text"),
    "chunk-page": ("first", "owner", "cast", "interval-text"),
    "chunk-range": ("owner", "cast", "interval-text"),
    "commit": ("begin-work",),
    "cut-door": ("share-lock", "lock-row"),
    "cut-images": ("last-committed", "lock-row", "cast", "interval-text"),
    "cut-journal": ("last-committed", "lock-row"),
    "cut-witness": ("dirty",),
    "cut-large": ("trigger-large", "owner"),
    "defer": ("deferred",),
    "delete": ("owner", "names"),
    "drop-routine": ("names",),
    "drop-table": ("names",),
    "drop-trigger": ("names",),
    "flag-read-create": ("spl-global", "spl-one-text"),
    "flag-set": ("spl-call", "own-login"),
    "flag-set-create": ("spl-global", "spl-one-text"),
    "forget-image": ("delete-shipped",),
    "forget-journal": ("delete-shipped",),
    "guard-create": ("lock-row",),
    "guard-delete": ("trigger-delete", "trigger-when", "trigger-actions", "trigger-many"),
    "guard-insert": ("trigger-insert", "trigger-when", "trigger-actions", "trigger-many"),
    "guard-refuse-create": ("spl-raise", "spl-select", "spl-one-text"),
    "guard-update": ("trigger-update", "trigger-when", "trigger-actions", "trigger-many"),
    "image-create": ("lock-row", "serial-wide", "constraint-last", "trigger-large"),
    "insert": ("one-row-values", "array-insert", "owner"),
    "isolation": ("isolation",),
    "journal-create": ("lock-row", "serial-wide", "constraint-last"),
    "lock-wait": ("lock-wait",),
    "meta-create": ("lock-row", "constraint-last"),
    "note-delete": ("trigger-delete", "trigger-when", "trigger-actions", "serial-zero", "trigger-many"),
    "note-insert": ("trigger-insert", "trigger-when", "trigger-actions", "serial-zero", "trigger-many"),
    "note-update": ("trigger-update", "trigger-when", "trigger-actions", "serial-zero", "trigger-many"),
    "pending": ("first", "dirty"),
    "rollback": ("begin-work",),
    "update": ("no-upsert", "update-insert", "owner"),
}
"""Every kind of statement that the adapter sends, and the facts that it rests on."""
