"""Admin-Sync: keeps the administration tables of a secondary database equal to those of a primary.

Packages import downwards only, from `sync.cli` to `sync.errors`; `make lint` holds them to it.
"""
