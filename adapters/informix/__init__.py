"""Informix: its SQL dialect, registered with sqlglot by being imported, its types, and the statements of the adapter.

The rule it keeps: nothing here connects to anything. What is known of Informix stands in `facts`, and each statement
names the fact that it rests on.
"""

from adapters.informix.dialect import Informix, InformixDelimident

__all__ = ["Informix", "InformixDelimident"]
