"""`python -m study.cli`, the same as `cops`."""

from study.cli.app import main

main()
