"""Where a journal source stands: its positions, and every way in which history can have been lost.

The rule it keeps: a position is reserved durably before it is given, and what can have gone unseen is told at every
opening until one goes on behind it.

    confirmed, reserved   positions
    server                system identifier and timeline: a restored server or a copy of the database is another one
    lost                  what `install` found
"""

from __future__ import annotations

from typing import Final

from adapters.postgres.connection import Connection, transaction
from adapters.postgres.journal.notes import JOURNAL
from adapters.postgres.journal.subjects import REMEMBER, tampered
from adapters.postgres.schema import META, meta, set_meta
from sync.errors import PositionLost
from sync.model.position import START, Position

_RESERVED: Final = 1 << 20
"""How many positions are reserved at once."""
_SERVER: Final = (
    "SELECT concat_ws(' ', system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8)) FROM pg_control_system()"
)


class Standing:
    """Of one source over all its openings."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._position = self._reserved = 0
        self._confirmed = START
        self._told: Position | None = None
        """Behind which position a loss was told that the next opening accepts."""

    def start(self, connection: Connection, after: Position) -> None:
        """Begin behind `after`; raises `PositionLost` where that can not be without a loss."""
        confirmed, reserved = (int(meta(connection, name) or 0) for name in ("confirmed", "reserved"))
        self._confirmed = Position(confirmed)
        row = connection.execute(_SERVER.encode()).fetchone()
        server = str(row[0]) if row is not None else ""
        losses = self._losses(connection, server, after, reserved)
        if losses and (self._told is None or after < self._told):
            self._told = max(after, self._confirmed)
            raise self.lost("; ".join(losses))
        if losses:
            _accept(connection)
        self._told = None
        self._position = max(after, confirmed, reserved)
        with transaction(connection):
            set_meta(connection, "server", server)
            self._reserve(connection)

    def next(self, connection: Connection) -> Position:
        """A position that was never given before."""
        self._position += 1
        if self._position >= self._reserved:
            self._reserve(connection)
        return Position(self._position)

    def look(self, connection: Connection) -> None:
        """Raise `PositionLost` where an installation since the opening, or somebody's hand, let changes go unseen."""
        if (noted := meta(connection, "lost")) is not None:
            raise self.lost(noted)
        if touched := tampered(connection):
            raise self.lost(_touched(touched))

    def lost(self, why: str) -> PositionLost:
        """The error that says so."""
        what = f"capture from {self._place} can not continue where it stopped"
        return PositionLost(what, why, "All tables are copied again", resume=self._told or self._confirmed)

    def _losses(self, connection: Connection, server: str, after: Position, reserved: int) -> list[str]:
        found = [meta(connection, "lost") or ""]
        if touched := tampered(connection):
            found.append(_touched(touched))
        if meta(connection, "server") not in {None, server}:
            found.append("the server was restored or failed over, or this is a copy of the database")
        if after < self._confirmed:
            found.append(f"changes up to {self._confirmed} are not in the journal any more, the spool ends at {after}")
        if after > reserved:
            found.append(f"the spool ends at {after}, but this database never gave more than {reserved}")
        return list(filter(None, found))

    def _reserve(self, connection: Connection) -> None:
        self._reserved = self._position + _RESERVED
        set_meta(connection, "reserved", str(self._reserved))


def _touched(tables: list[str]) -> str:
    return f"the triggers of table {tables[0]} were altered, or not there for a while"


def _accept(connection: Connection) -> None:
    """Go on behind a loss: everything is copied from here on, so what was noted before means nothing."""
    with transaction(connection):
        connection.execute(f"DELETE FROM {JOURNAL}".encode())
        connection.execute(f"{REMEMBER} WHERE watch IS NOT NULL".encode())
        connection.execute(f"DELETE FROM {META} WHERE name = 'lost'".encode())
