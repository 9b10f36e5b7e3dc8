"""What every test needs, wherever it is started."""

from __future__ import annotations

import signal

from hypothesis import settings

# A job that a script started in the background ignores SIGINT, and so would every node and demo that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An example may take long on a busy machine; a test that hangs is ended by pytest's own timeout.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
