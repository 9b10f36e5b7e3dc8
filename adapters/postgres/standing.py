"""What capture remembers in the database between two openings, and what it tells of history that was lost.

The rule it keeps: every way in which changes can have been missed is noticed at the next opening and stays noted until
the source was opened again behind the loss: a slot that is gone or invalid, a server that was restored or is another
one, a publication that somebody altered, a spool that forgot what was confirmed. A standby that took over with the slot
is no loss.

    system, timeline   of the server's log
    base               what is added to an LSN to make a position; grows where a server was put back to an older state
    passed, upto       between this position and this LSN nothing captured was committed: the slot may be beyond a
                       spool that ends at or behind `passed`, as long as it is not beyond `upto`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from adapters.postgres.connection import Connection
from adapters.postgres.publication import (
    DROP_SLOT,
    FAILOVER_SINCE,
    has_slot,
    remember,
    slot_name,
    slot_statement,
    tampered,
)
from adapters.postgres.schema import META, meta, set_meta
from adapters.postgres.stream import lsn
from sync.errors import DatabaseRefused
from sync.model.position import Position
from sync.model.schema import TableSchema

_NAME = "standing"
_MARGIN = 1 << 24
"""Positions left out where they would begin anew: more than a report of ours can be ahead."""


@dataclass(frozen=True, slots=True)
class Standing:
    """See above."""

    system: str = ""
    timeline: int = 0
    base: int = 0
    passed: int = 0
    upto: int = 0

    def position(self, at: int) -> Position:
        """An LSN as a position."""
        return Position(at + self.base)

    def lsn(self, position: int) -> int:
        """A position as an LSN; 0 where it is older than this server's log."""
        return max(0, position - self.base)


def load(connection: Connection) -> Standing | None:
    """What was remembered; None where this installation was never opened."""
    text = meta(connection, _NAME)
    if text is None:
        return None
    try:
        return Standing(**json.loads(text))
    except (ValueError, TypeError) as error:
        why = f"its row {_NAME} in {META} can not be read"
        raise DatabaseRefused("could not start capture", why, "Run `admin-sync uninstall`, then `install`") from error


def save(connection: Connection, standing: Standing) -> None:
    """Remember, durably."""
    set_meta(connection, _NAME, json.dumps(asdict(standing)))


def slot_confirmed(connection: Connection) -> int | None:
    """Up to which LSN the slot was confirmed; None where it is gone, or the server let go of what it needs."""
    row = connection.execute(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots"
        " WHERE slot_name = %s AND plugin = 'pgoutput' AND wal_status IS DISTINCT FROM 'lost'",
        (slot_name(connection),),
    ).fetchone()
    return None if row is None or row[0] is None else lsn(str(row[0]))


@dataclass(frozen=True, slots=True)
class Server:
    """The server as it is now."""

    system: str
    timeline: int
    written: int
    """How far its log is written."""
    left_at: Callable[[int], int | None] = lambda _: None
    """Up to which LSN its log is that of an earlier timeline; None where it does not come from it."""


def first(connection: Connection, server: Server) -> Standing:
    """Begin to remember, at the first opening: everything from the slot's making on is still there."""
    confirmed = slot_confirmed(connection)
    if confirmed is None:
        raise DatabaseRefused("could not start capture", "the replication slot is missing", "Run `admin-sync install`")
    standing = Standing(server.system, server.timeline, upto=confirmed)
    save(connection, standing)
    return standing


def losses(
    connection: Connection, standing: Standing, server: Server, captured: Mapping[str, TableSchema], after: Position
) -> list[str]:
    """Why changes behind `after` can have been missed; empty where all of them are still to come."""
    found = []
    noted = meta(connection, "lost")
    if noted is not None:
        found.append(noted)
    if server.system != standing.system:
        found.append("this is another server, with a copy of the database")
    elif server.timeline != standing.timeline:
        diverged = _diverged(connection, standing, server, after)
        found += [diverged] if diverged else []
    confirmed = slot_confirmed(connection)
    if confirmed is None:
        found.append("the replication slot is gone, or its log was removed")
    elif after < standing.position(confirmed) - 1 and not (after >= standing.passed and confirmed <= standing.upto):
        why = f"changes up to {standing.position(confirmed) - 1} were confirmed, but the spool ends at {after}"
        found.append(why)
    if after > standing.position(server.written):
        found.append(f"the spool ends at {after}, but this server's log at {standing.position(server.written)}")
    changed = tampered(connection, captured)
    return [*found, changed] if changed else found


def _diverged(connection: Connection, standing: Standing, server: Server, after: Position) -> str:
    """Why the log of another timeline does not go on from what was read; "" where it does.

    A standby that was promoted has the slot as its primary handed it on, so nothing behind the slot is missing. What
    was read must be in the standby's history too.
    """
    if not _is_handed_on(connection):
        return f"the server was restored or failed over: its timeline is {server.timeline}"
    left = server.left_at(standing.timeline)
    if left is None or after >= standing.position(left):
        return f"the server failed over to timeline {server.timeline}, and lacks what was read before"
    return ""


def _is_handed_on(connection: Connection) -> bool:
    """Whether the slot was brought here from the primary that this server was the standby of."""
    if connection.info.server_version < FAILOVER_SINCE:
        return False
    query = "SELECT synced FROM pg_replication_slots WHERE slot_name = %s"
    row = connection.execute(query, (slot_name(connection),)).fetchone()
    return row is not None and row[0] is True


def follow(connection: Connection, standing: Standing, server: Server) -> Standing:
    """Go on with a standby that took over and lacks nothing."""
    if server.timeline == standing.timeline:
        return standing
    left = server.left_at(standing.timeline) or 0
    followed = replace(standing, timeline=server.timeline, upto=min(standing.upto, left))
    save(connection, followed)
    return followed


def resume(connection: Connection, standing: Standing, after: Position) -> Position:
    """Where a source goes on that lost its history."""
    confirmed = slot_confirmed(connection)
    return max(after, Position(0) if confirmed is None else Position(standing.position(confirmed) - 1))


def mend(connection: Connection, standing: Standing, server: Server, after: Position) -> Standing:
    """Accept the loss: from here on everything behind `after` comes, and nothing at or below it."""
    base = standing.base
    if after > standing.position(server.written):
        base = after - server.written + _MARGIN
    if slot_confirmed(connection) is None:
        if has_slot(connection):
            connection.execute(DROP_SLOT.encode())
        connection.execute(slot_statement(connection).encode())
    confirmed = slot_confirmed(connection) or 0
    mended = replace(standing, system=server.system, timeline=server.timeline, base=base, passed=after, upto=confirmed)
    save(connection, mended)
    remember(connection)
    connection.execute(f"DELETE FROM {META} WHERE name = 'lost'".encode())
    return mended
