"""Positions: opaque, totally ordered points in the history of one source.

A log source uses the LSN of a commit, a journal source its sequence number. Only order and equality mean
anything outside the adapter. Positions of different origins must never be compared.
"""

from __future__ import annotations

from typing import NewType

Position = NewType("Position", int)
"""Unsigned, below 2**63. Written in decimal wherever text is needed."""

START = Position(0)
"""Before everything: no transaction has this position."""

POSITION_MAX = Position(2**63 - 1)
