"""`make bench`: measure, print a table with machine and commit, write it as JSON."""

import argparse
import sys

from benchmarks import figures, signups


def main() -> None:
    """Run the measurements that were asked for; all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--single", type=int, default=signups.SINGLE, help="signups one by one")
    parser.add_argument("--burst", type=int, default=signups.BURST, help="signups at once")
    parser.add_argument("--seed", type=int, default=1, help="of the pauses between single ones")
    chosen = parser.parse_args()
    found: list[figures.Figure] = []
    with signups.fresh_stack() as run:
        if chosen.single:
            print(f"{chosen.single} signups, one at a time:")
            found += signups.single_signups(run, chosen.single, chosen.seed)
        if chosen.burst:
            print(f"{chosen.burst} signups at once …")
            found += signups.burst(run, chosen.burst)
    figures.show(found)
    figures.write(found, chosen.seed)
    sys.exit(0)


if __name__ == "__main__":
    main()
