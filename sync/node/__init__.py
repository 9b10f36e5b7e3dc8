"""One process: its lifecycle, which half runs, and the control actions."""
