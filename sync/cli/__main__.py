"""`python -m sync.cli` is `admin-sync`: for places that know the interpreter and not where the script was put."""

from sync.cli import main

main()
