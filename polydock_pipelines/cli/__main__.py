"""`python -m polydock_pipelines.cli`: the same as `polydock`."""

from polydock_pipelines.cli.app import main

main()
