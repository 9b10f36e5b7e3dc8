"""The primary's durable log of encoded batches: what lies between capture and the link.

It exists so that a source may forget a change long before the peer has it. The rule it keeps (invariants 1 and 9):
what was reported durable survives any crash, and is forgotten only when every peer made it durable.
"""
