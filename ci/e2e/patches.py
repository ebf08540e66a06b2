"""What runs of one patching scenario must have counted (65-patching.sh).

usage: patches.py EXPECTATION... <STATS     STATS: a line of `rrtest stats --json` per run

An expectation is the name of a count: all runs together have some of it; with a `!` each run has. `stray`
allows entries into overwritten code, which no other scenario may have. Always: a patch decision is no more than
one of a site's. Prints what does not hold; exit status 1 if anything."""
import json
import sys

COUNTS = ("static", "applied", "deferred_entry", "deferred_occupied", "retried", "moved", "abandoned", "refused")


def wrong_in_run(run, expected):
    """Names of what this run must not look like."""
    patches = run["patches"]
    for name in COUNTS:
        if patches.get(name, -1) < 0:
            yield f"no count {name}"
    if patches["static"]:
        yield f"{patches['static']} static patches in a lazy run"
    if patches["retried"] > patches["deferred_entry"] + patches["deferred_occupied"]:
        yield "more retried than deferred"
    if run["stray_entries"] and "stray" not in expected:
        yield f"{run['stray_entries']} entries into overwritten code"
    for name in expected:
        if name.endswith("!") and not patches[name[:-1]]:
            yield f"{name[:-1]} is 0"


def main():
    expected = sys.argv[1:]
    runs = [json.loads(line) for line in sys.stdin]
    wrong = [f"seed {run['seed']}: {text}" for run in runs for text in wrong_in_run(run, expected)]
    totals = {name: sum(run["patches"].get(name, 0) for run in runs) for name in COUNTS}
    for name in expected:
        if name in COUNTS and not totals[name]:
            wrong.append(f"{name} is 0 in all runs together")
    if wrong:
        print("\n".join(wrong))
        print(totals)
    elif not runs:
        print("no runs")
    sys.exit(1 if wrong or not runs else 0)


main()
