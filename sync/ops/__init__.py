"""What an operator meets: configuration, identity, logs, metrics, status, and the node's ties to its host.

Nothing below imports this package: the halves and the node speak to the `Observer` port, and listeners live here.
"""
