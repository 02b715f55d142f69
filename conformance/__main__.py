"""`python -m conformance` is `cancel-conformance`."""

from conformance.cli import main

main()
