"""`python -m conformance [WORD…]`: try every operation on a fresh server; a whole run writes the page.

With words only operations whose names have one of them are tried, and no page is written. The exit code is 1 if
something is not as it should be.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance import page
from conformance.made import MAKES
from conformance.run import Result, checks, run
from conformance.world import served


def main(words: list[str] | None = None) -> int:
    """Run, say what came of each check, and write the page; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="part of an operation's name")
    wanted = parser.parse_args(words).words
    every = [check for check in checks() if not wanted or any(word in check.operation for word in wanted)]
    began = time.monotonic()

    def say(result: Result) -> None:
        check = result.check
        seconds = time.monotonic() - began
        verdict = "ok  " if result.flaw is None else "FAIL"
        print(f"{seconds:6.1f} s  {verdict}  {check.operation} {check.says}", flush=True)
        if result.flaw is not None:
            print(f"          {result.flaw}", flush=True)

    with TemporaryDirectory() as folder, served(Path(folder), MAKES) as world:
        results = run(world, every, say)
    flaws = sum(result.flaw is not None for result in results)
    print(f"{len(results)} checks, {flaws} are not as they should be")
    if not wanted:
        page.write(results)
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
