"""The rival: the design one would write first. See benchmarks/naive_rival.py."""
