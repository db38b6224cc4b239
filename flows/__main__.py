"""`python -m flows` is the command `ddnn`."""

from flows.command import main

main()
