"""What README's figures come from. `make bench` runs it all; run.py lists the measurements."""
