"""Capture by triggers, for servers whose log can not be decoded: a journal of keys, whose rows are read again.

The rule it keeps: as for SQLite (adapters/sqlite/journal.py), and what PostgreSQL adds to it: many write at once, so a
transaction that began first may commit last. Every note bears its transaction's number, and what a cut gives is told by
snapshots: the notes that this one shows and the last one did not. No high-water mark skips anything.
"""
