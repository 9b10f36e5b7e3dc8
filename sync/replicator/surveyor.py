"""The surveyor: which tables are captured, and that the database is prepared for them.

The rule it keeps: a table that is made or altered while the node runs is captured without anybody's help where the
node has the rights; where it has not, that table is left out with a word about it, and all others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sync.core.filter import Filter
from sync.errors import DatabaseRefused
from sync.model.notice import Warned
from sync.model.schema import TableSchema
from sync.ports import Observer, Site

Captured = Mapping[str, TableSchema]


@dataclass(slots=True)
class Surveyor:
    """Asks the database which tables there are, and the filter which of them to capture."""

    open_site: Callable[[], Site]
    rows: Filter
    observer: Observer
    recopied: Callable[[Captured], Collection[str]] = lambda _: ()
    """Tells which of these tables are copied anew because they are not what was copied before."""
    _found: Captured = field(default_factory=dict)
    _left_out: Collection[str] = ()

    def survey(self) -> Captured:
        """Give the tables to capture, after what is installed was adapted to them."""
        site = self.open_site()
        try:
            found = self.rows.captured(site.catalog())
            before, self._found, self._left_out = self._left_out, found, ()
            recopied = self.recopied(found)
            try:
                site.adapt_capture(found, recopied)
            except DatabaseRefused as error:
                fitting = {name: schema for name, schema in found.items() if name not in recopied}
                if not recopied or not fitting:
                    raise
                site.adapt_capture(fitting, ())
                self._left_out = tuple(sorted(recopied))
                if self._left_out != before:
                    self.observer.notice(Warned(f"not captured: {', '.join(self._left_out)}: {error}"))
                return fitting
            return found
        finally:
            site.close()

    def changed(self) -> bool:
        """Whether another survey would give other tables than the last."""
        site = self.open_site()
        try:
            found = self.rows.captured(site.catalog())
            if dict(found) != dict(self._found):
                return True
            # Somebody with the rights may have installed what this node could not.
            return bool(self._left_out) and not site.capture_statements(found)
        finally:
            site.close()
