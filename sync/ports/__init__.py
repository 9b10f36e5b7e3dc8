"""The ports: what the engine asks of databases, disks and clocks, as narrow protocols with their contracts.

Adapters are plain synchronous code used from one thread each (`Source.wake` excepted); the shells give every open
adapter its own worker thread. Whatever an adapter raises is an error of `sync.errors`: `DatabaseBusy` where the same
call is worth trying again, `DatabaseRefused` or `RowRefused` where a person must act. After an error a source or a
target is closed by its owner and opened anew.
"""

from __future__ import annotations

from sync.ports.database import Site, Source, Target
from sync.ports.storage import AppendFile, Disk, Spool, SpoolReader
from sync.ports.surroundings import Clock, Observer

__all__ = ["AppendFile", "Clock", "Disk", "Observer", "Site", "Source", "Spool", "SpoolReader", "Target"]
