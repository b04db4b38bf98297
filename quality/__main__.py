"""`python -m quality [NAME…] [--quick]`: take the measures, print their table; a whole run writes the page."""

import argparse
import sys
import time
from collections.abc import Callable

from bench import table

from quality import cold, everybody, examined, latest_small, linear, page, related, segments, sequence, sparse

MEASURES: dict[str, Callable[[bool], list[table.Row]]] = {
    "cold": cold.run,
    "everybody": everybody.run,
    "examined": examined.run,
    "latest-small": latest_small.run,
    "linear": linear.run,
    "related": related.run,
    "segments": segments.run,
    "sequence": sequence.run,
    "sparse": sparse.run,
}


def main() -> int:
    """Take the named measures, or all; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m quality", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(MEASURES)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help="only what takes about a minute")
    options = parser.parse_args()
    unknown = set(options.names) - set(MEASURES)
    if unknown:
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    names = options.names or list(MEASURES)
    rows: list[table.Row] = []
    for name in names:
        begun = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += MEASURES[name](options.quick)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(table.machine())
    print(table.markdown(rows))
    if set(names) == set(MEASURES) and not options.quick:
        page.write(rows)
        print(f"wrote {page.PAGE.relative_to(page.PAGE.parents[2])}", file=sys.stderr)
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
