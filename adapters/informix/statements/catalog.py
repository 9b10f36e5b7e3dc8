"""The catalog: what a database holds, and how it logs.

The rule it keeps: a table's identity is its tabid, which is bound; names come back trimmed, for the catalog pads them;
the catalog's own tables bear their owner, without which an ANSI database does not find them.
"""

from __future__ import annotations

from typing import Final

from adapters.informix.statements.statement import Statement

_USER_TABLES: Final = 100
"""The first tabid that is not the catalog's own."""
_PARTS: Final = ", ".join(f"i.part{number}" for number in range(1, 17))


def tables() -> Statement:
    """tabid, name, owner, kind, row size in bytes, lock level, rows as the statistics have it."""
    return Statement(
        "catalog-tables",
        "SELECT tabid, TRIM(tabname), TRIM(owner), tabtype, rowsize, locklevel, nrows FROM informix.systables"
        f" WHERE tabid >= {_USER_TABLES} ORDER BY tabid",
    )


def columns() -> Statement:
    """Of one tabid: colno, name, coltype, collength, and the name of an extended type."""
    return Statement(
        "catalog-columns",
        "SELECT c.colno, TRIM(c.colname), c.coltype, c.collength, x.name FROM informix.syscolumns AS c"
        " LEFT JOIN informix.sysxtdtypes AS x ON c.extended_id = x.extended_id WHERE c.tabid = ? ORDER BY c.colno",
    )


def constraints() -> Statement:
    """Of one tabid: name, type and the column numbers of the index behind each constraint that has one."""
    return Statement(
        "catalog-constraints",
        f"SELECT TRIM(c.constrname), c.constrtype, i.idxtype, {_PARTS} FROM informix.sysconstraints AS c"
        " JOIN informix.sysindexes AS i ON i.idxname = c.idxname AND i.tabid = c.tabid"
        " WHERE c.tabid = ? ORDER BY c.constrid",
    )


def references() -> Statement:
    """Of one tabid: name, tabid of the parent, and the rule for deletes (C cascades)."""
    return Statement(
        "catalog-references",
        "SELECT TRIM(c.constrname), r.ptabid, r.delrule FROM informix.sysconstraints AS c"
        " JOIN informix.sysreferences AS r ON r.constrid = c.constrid WHERE c.tabid = ? ORDER BY c.constrid",
    )


def triggers() -> Statement:
    """Name, owner, tabid and event (I, U, D) of every trigger."""
    return Statement(
        "catalog-triggers", "SELECT TRIM(trigname), TRIM(owner), tabid, event FROM informix.systriggers ORDER BY trigid"
    )


def states() -> Statement:
    """Name, owner and tabid of every trigger, and whether it is enabled (E) or disabled (D)."""
    return Statement(
        "catalog-states",
        "SELECT TRIM(name), TRIM(owner), tabid, state FROM informix.sysobjstate WHERE objtype = 'T' ORDER BY tabid",
    )


def routines() -> Statement:
    """Name and owner of every routine."""
    return Statement(
        "catalog-routines", "SELECT TRIM(procname), TRIM(owner) FROM informix.sysprocedures ORDER BY procid"
    )


def synonyms() -> Statement:
    """Tabid of a synonym and of its table; of one that stands elsewhere its server, database, owner and name."""
    return Statement(
        "catalog-synonyms", "SELECT tabid, btabid, servername, dbname, TRIM(owner), tabname FROM informix.syssyntable"
    )


def depends() -> Statement:
    """Tabid of a view, and of what it is built on."""
    return Statement("catalog-depends", "SELECT dtabid, btabid FROM informix.sysdepend ORDER BY dtabid, btabid")


def logging() -> Statement:
    """Whether the named database is logged, with buffers, and whether it is ANSI."""
    return Statement(
        "catalog-logging", "SELECT is_logging, is_buff_log, is_ansi FROM sysmaster:sysdatabases WHERE name = ?"
    )


def database() -> Statement:
    """The database, the login, and the server's version."""
    return Statement(
        "catalog-database",
        "SELECT DBINFO('dbname'), TRIM(USER), DBINFO('version', 'full') FROM sysmaster:sysdual",
    )
