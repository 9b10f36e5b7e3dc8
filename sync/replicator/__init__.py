"""The primary's half of the road: capture into the spool, snapshot and verify runs, and the sender."""
