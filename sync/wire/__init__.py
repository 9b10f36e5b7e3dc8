"""What crosses between two nodes, and what lies in the spool: pure translations between records and bytes.

Nothing here waits, reads a clock or opens a socket. docs/wire.md describes every byte.
"""
