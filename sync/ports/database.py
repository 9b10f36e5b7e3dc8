"""What the engine asks of a database: as a site, as a source of changes, as the target of what is applied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from sync.model.alteration import Alteration
from sync.model.batch import Checkpoint, ChunkRequest, Transaction
from sync.model.catalog import Finding, TableFacts
from sync.model.change import Change, Columns, Row
from sync.model.lines import Lines
from sync.model.position import Position
from sync.model.schema import TableSchema, Type
from sync.model.writes import Writes


class Site(Protocol):
    """The administrative side of a database: its catalog, and what Admin-Sync installs in it.

    `captured` always means the filtered schemas (without local columns) by table name.
    """

    def catalog(self) -> Sequence[TableFacts]:
        """Every table, view and synonym, except what Admin-Sync itself installed; sorted by name."""
        ...

    def preflight(self, captured: Mapping[str, TableSchema], primary: str = "") -> Sequence[Finding]:
        """Check rights, logging, modes and what is installed already; the order is the order of importance.

        `primary` is the primary's name where this node is a secondary, empty where it is the primary itself.
        """
        ...

    def capture_mode(self) -> str:
        """How changes are captured here, or would be, and where there is a choice also why: `log: the reason`."""
        ...

    def capture_statements(self, captured: Mapping[str, TableSchema]) -> Sequence[str]:
        """Give the SQL that `install_capture` would run now."""
        ...

    def install_capture(self, captured: Mapping[str, TableSchema]) -> None:
        """Install what capture needs for exactly these tables; idempotent, atomic; removes what no longer belongs.

        A new installation gives the source a new origin; installing again keeps it, and keeps unconfirmed changes.
        """
        ...

    def adapt_capture(self, captured: Mapping[str, TableSchema], copied: Collection[str]) -> bool:
        """Do what `install_capture` would, where capture is installed already; gives whether anything had to be done.

        The tables `copied` are copied afterwards, so that changes of them which nothing noted are no loss. Raises
        `DatabaseRefused` where a right is missing; then everything is as it was.
        """
        ...

    def guard_statements(self, captured: Mapping[str, TableSchema], primary: str) -> Sequence[str]:
        """Give the SQL that `install_guard` would run now."""
        ...

    def install_guard(self, captured: Mapping[str, TableSchema], primary: str) -> None:
        """Install checkpoint and write guard on a secondary; local writes then fail, naming the node `primary`."""
        ...

    def uninstall_statements(self) -> Sequence[str]:
        """Give the SQL that `uninstall` would run now."""
        ...

    def uninstall(self) -> None:
        """Remove everything that Admin-Sync ever installed, whatever the role; idempotent."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class Source(Protocol):
    """Delivers the committed changes of the captured tables, in commit order, never part of a transaction.

    What `read` gave stays available after a crash until `confirm` covers it. Reading again may give different
    boundaries and later row states, never a lost change, and never a position at or below a confirmed one.

    Where captured tables were altered, or others made, `open`, `wait` and `read` raise `CatalogChanged`, before
    anything is given that the captured schemas do not describe. Opened anew with the new ones, the source gives what
    was changed before in those: a column that a row did not have yet is absent.
    """

    @property
    def origin(self) -> str:
        """Name of the history that the positions belong to. Known before `open`: the first ask connects, or raises."""
        ...

    @property
    def mode(self) -> str:
        """`log`, `journal` or `compare`."""
        ...

    def open(self, captured: Mapping[str, TableSchema], after: Position) -> None:
        """Connect and check that what is installed fits; start behind `after`, the last position in the spool.

        Raises `PositionLost` where that is not possible, `DatabaseRefused` where the installation does not fit.
        All positions given from now on are greater than `after`, and than every one that an earlier, crashed
        incarnation of this source can have given.
        """
        ...

    def wait(self, timeout_s: float) -> bool:
        """Block until something new may have been committed (True), or until the timeout or `wake` (False)."""
        ...

    def wake(self) -> None:
        """Make a running `wait` return soon. The one call that any thread may make."""
        ...

    def read(self, chunk: ChunkRequest | None = None) -> Iterator[Transaction]:
        """Give what was committed since the last read; nothing where there is nothing new.

        The iterator must be used up or closed before any other call. Where a chunk is asked for, at least one
        transaction comes, and the last part of the last one carries the chunk: the rows of that range exactly as of
        its position, unfiltered, in key order, with the request's purpose, `count` set and `digest` empty. Memory
        stays bounded: large transactions come in parts of about `part_rows_max` rows.
        """
        ...

    def confirm(self, position: Position) -> None:
        """Allow the source to forget everything up to `position`; it is durable elsewhere."""
        ...

    def close(self) -> None:
        """Release the connection; safe at any time, also twice."""
        ...


class Target(Protocol):
    """Applies net effects and the checkpoint in one transaction, past the write guard.

    begin, then any of alter, note, write, write_ordered and read_range, then commit or rollback. Between `begin` and
    `commit` nothing is visible to other sessions.
    """

    def open(self) -> None:
        """Connect; `DatabaseRefused` where the checkpoint table was not installed."""
        ...

    def tables(self) -> Mapping[str, TableSchema]:
        """The target's own tables as its catalog has them now (stored columns only)."""
        ...

    def own_type(self, wanted: Type) -> Type:
        """The logical type of a column that this database makes for one of the stream's."""
        ...

    def notes(self) -> Mapping[str, str]:
        """What `note` stored, by table."""
        ...

    def note(self, table: str, text: str) -> None:
        """Remember something about a table of the stream, in the open transaction."""
        ...

    def alter(self, schema: TableSchema, steps: Sequence[Alteration]) -> None:
        """Bring a table to hold this schema, in the open transaction; where local writes are refused, to it too.

        Raises `TableRefused` where the database says no: then the table is as it was, and the transaction goes on.
        """
        ...

    def checkpoint(self, origin: str) -> Checkpoint | None:
        """The progress stored for this origin; None where nothing of it was ever applied."""
        ...

    def epoch(self) -> int:
        """The highest epoch that any checkpoint holds; 0 where there is none."""
        ...

    def begin(self) -> None:
        """Open a transaction that can write."""
        ...

    def write(self, writes: Sequence[Writes]) -> int:
        """Write net effects set-wise; gives the number of repairs (other forms that had to be used).

        Raises `RowRefused` naming table, key and column where one row can not be written.
        """
        ...

    def apply(self, writes: Sequence[Writes], checkpoint: Checkpoint) -> int:
        """`begin`, `write` and `commit` as one, which a database may do in one go; gives the number of repairs.

        Raises as these do; the caller rolls back then.
        """
        ...

    @property
    def loads(self) -> bool:
        """Whether this kind of target takes rows as lines."""
        ...

    def load(self, lines: Sequence[Lines], checkpoint: Checkpoint | None) -> bool:
        """Write rows that are lines, if all is as they say; with a checkpoint also begin and commit, as `apply` does.

        False where it is not, or these lines are not for this database: then nothing is left of it, and the same rows
        are to be written as net effects, which tells why, or finds another form. Raises as these do, but not
        `RowRefused`.
        """
        ...

    def write_ordered(self, changes: Iterable[Change]) -> int:
        """Write row by row in the given order: the slow path when the set form was refused; gives the repairs."""
        ...

    def read_range(self, schema: TableSchema, after: Row | None, upto: Row | None, limit: int | None = None) -> Columns:
        """Rows of a key range (exclusive `after`, inclusive `upto`), the schema's columns only, in key order.

        With `limit` no more than so many, the first ones.
        """
        ...

    def commit(self, checkpoint: Checkpoint) -> None:
        """Store the checkpoint and commit, atomically. Visible afterwards, durable after the next `flush`.

        Raises `RoleError` where a higher epoch is stored already.
        """
        ...

    def rollback(self) -> None:
        """Undo everything since `begin`; safe without one."""
        ...

    def flush(self) -> None:
        """Return when all that was committed before is durable; a transaction that is open stays as it is."""
        ...

    def durable(self, applied: Position) -> Position:
        """Note that all up to `applied` is committed, and give the last position noted so far that is durable.

        Does not wait where the disk is at work by itself; START where nothing noted is known to be there.
        """
        ...

    def close(self) -> None:
        """Release the connection; safe at any time, also twice."""
        ...
