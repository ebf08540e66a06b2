#!/bin/bash
# Each system call that handlers may answer (recorder/blob/calls.def) is answered by them, gives the same
# natively, traced and buffered, and replays. stats names the calls that were traced.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

# record_as PATCHING [ARGUMENT]: into $TMP/trace, with an empty TMPDIR.
record_as() {
    run rrtest record --quiet -o "$TMP/trace" --seed "${3:-0}" --strategy "${4:-round-robin}" --patching "$1" -- \
        "$PROGRAMS/buffered" ${2:-}
}

# Traced all the same: a library's code, the file that is mapped before the recorder has its content, what
# comes before the recorder has looked at a new directory.
TRACED='mmap close open openat newfstatat'

case_begin "results and memory are those of a native run"
mkdir temporary
run env TMPDIR="$TMP/temporary" "$PROGRAMS/buffered"
expect_status 0
keep_as native
for patching in off static; do
    for schedule in "0 round-robin" "1 random" "2 random"; do
        rm -rf trace
        record_as $patching "" $schedule
        expect_as native
        run rrtest replay --quiet --verify "$TMP/trace"
        expect_as native
    done
done
expect [ "$(grep -c WRONG native.stdout)" = 0 ]

case_begin "what only recorded runs agree on is the same traced and buffered"
record_as off raw
keep_as off
rm -rf trace
record_as static raw
expect_as off
run rrtest replay --quiet --verify "$TMP/trace"
expect_as off

case_begin "every call of the table is buffered"
record_as static
run rrtest stats --json "$TMP/trace"
run "$PROGRAMS/buffered" names
cp "$OUT" names
run rrtest stats --json "$TMP/trace"
cp "$OUT" stats.json
python3 - "$TRACED" >wrong <<'PY'
import json, sys
calls = json.load(open("stats.json"))["syscalls"]
may = sys.argv[1].split()
for name in open("names").read().split():
    total, traced = calls["by_name"].get(name, 0), calls["traced_by_name"].get(name, 0)
    if total == 0:
        print(name, "was not made")
    elif traced > (2 if name in may else 0):
        print(name, "was traced", traced, "times of", total)
PY
expect [ ! -s wrong ] || cat wrong >&2

case_begin "a call that sleeps all the same is taken back, interrupted, restarted, stopped and continued"
mkdir temporary
run env TMPDIR="$TMP/temporary" "$PROGRAMS/buffered" sleepers
expect_status 0
keep_as native
for schedule in "0 round-robin" "1 random" "2 random" "3 random"; do
    rm -rf trace
    record_as static sleepers $schedule
    expect_as native
    expect [ "$(stat_of trace rescued)" -gt 0 ]
    run rrtest replay --quiet --verify "$TMP/trace"
    expect_as native
done

case_begin "stats names the most frequent traced calls"
record_as off
run rrtest stats --json "$TMP/trace"
cp "$OUT" stats.json
run python3 -c '
import json
calls = json.load(open("stats.json"))["syscalls"]
traced = calls["traced"]
assert calls["buffered"] == 0 and 5 < len(traced) <= 20
assert all(a["count"] >= b["count"] for a, b in zip(traced, traced[1:]))
assert all(calls["traced_by_name"][t["name"]] == t["count"] for t in traced)
print(traced[0]["name"], traced[0]["count"])'
expect_status 0
most=$(cat "$OUT")
run rrtest stats "$TMP/trace"
expect_stdout_has "$most, "
finish
