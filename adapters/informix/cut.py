"""Cuts: whether what was read of the journal holds whole transactions only.

The rule it keeps: Informix tells no transaction from another in SQL, and a scan is no snapshot: a transaction that
commits while it runs may show in part. But the rows of one that shows in part are all there once any of it is
committed. So a look at everything, committed or not, taken after the scan, finds what the scan missed.
"""

from __future__ import annotations

from collections.abc import Iterable


def is_whole(committed: Iterable[int], witness: Iterable[int]) -> bool:
    """Whether a cut splits no transaction.

    `committed` are the numbers that `cut_journal` gave, read before the images; `witness` those of `cut_witness`, read
    after them. Where it is True the images hold exactly the changes of `committed`; where not, read it all again.
    """
    return set(witness) <= set(committed)
