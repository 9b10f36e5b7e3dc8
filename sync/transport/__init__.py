"""Sockets and threads: the only place where the engine waits for a network or hops to a worker."""
