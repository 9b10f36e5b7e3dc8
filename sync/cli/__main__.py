"""`python -m sync.cli`: the same as `admin-sync`, where the script is not on the path."""

from sync.cli import main

main()
