"""`python -m bench [NAME…] [--quick]`: take the measures, print their table; a whole run writes the page."""

import argparse
import sys
import time
from collections.abc import Callable

from bench import (
    backup,
    bad_row,
    batch,
    console,
    deletion,
    describe,
    export,
    filter,
    footprint,
    fuzz,
    growth,
    import_full,
    incremental,
    killed_events,
    kills,
    large_catalogue,
    many_files,
    memory,
    months,
    plan,
    put_events,
    recent_events,
    recommend,
    retrain,
    segments,
    several,
    statistics,
    table,
    training,
    training_scale,
    worst_inputs,
)

MEASURES: dict[str, Callable[[bool], list[table.Row]]] = {
    "import": import_full.run,
    "growth": growth.run,
    "growth-large": growth.run_large,
    "plan": plan.run,
    "plan-large": plan.run_large,
    "incremental": incremental.run,
    "many-files": many_files.run,
    "bad-row": bad_row.run,
    "describe": describe.run,
    "put-events": put_events.run,
    "killed-events": killed_events.run,
    "kills": kills.run,
    "several": several.run,
    "kills-on-ray": kills.run_on_ray,
    "fuzz": fuzz.run,
    "recent-events": recent_events.run,
    "export": export.run,
    "deletion": deletion.run,
    "backup": backup.run,
    "statistics": statistics.run,
    "footprint": footprint.run,
    "recommend": recommend.run,
    "recommend-large": recommend.run_large,
    "large-catalogue": large_catalogue.run,
    "retrain": retrain.run,
    "filter": filter.run,
    "batch": batch.run,
    "console": console.run,
    "segments": segments.run,
    "memory": memory.run,
    "months": months.run,
    "training": training.run,
    "training-scale": training_scale.run,
    "worst-inputs": worst_inputs.run,
}

#: What takes from a quarter of an hour to an hour: only by name.
LONG = frozenset(
    {
        "fuzz",
        "growth-large",
        "kills",
        "kills-on-ray",
        "large-catalogue",
        "memory",
        "months",
        "plan",
        "plan-large",
        "several",
        "training",
        "training-scale",
        "worst-inputs",
    }
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(MEASURES)}; default: all but {', '.join(sorted(LONG))}",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the measures themselves")
    options = parser.parse_args()
    unknown = set(options.names) - set(MEASURES)
    if unknown:
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    usual = [name for name in MEASURES if name not in LONG]
    names = options.names or usual
    rows: list[table.Row] = []
    for name in names:
        begun = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        found = MEASURES[name](options.quick)
        rows += found
        print(
            f"{name}: {time.monotonic() - begun:.0f} s\n{table.markdown(found)}", file=sys.stderr, flush=True
        )
    print(table.machine())
    print(table.markdown(rows))
    if set(names) == set(usual) and not options.quick:
        table.write_page(rows)
        print(f"wrote {table.PAGE.relative_to(table.PAGE.parents[2])}", file=sys.stderr)
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
