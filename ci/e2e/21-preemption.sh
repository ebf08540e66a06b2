#!/bin/bash
# Preemption anywhere: a window of two instructions is hit, stray entries are counted and survive, threads
# that spin end, and what replays a preempted run is exact.
# E2E_WINDOW_RUNS: runs in which the window has to be hit (default 500).
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

case_begin "a window of two instructions is hit, and its trace replays to the same failure"
cat >window.yaml <<YAML
version: 1
tests:
  - name: window
    command: ["$PROGRAMS/window"]
    strategy: random
    timeout: 20s
YAML
run rrtest run window.yaml --runs "${E2E_WINDOW_RUNS:-500}" --seed 1 --out kept
expect_status 1
trace=$(find kept -name events.zst | head -n 1)
run rrtest replay --quiet --verify "$(dirname "$trace")"
expect_status 1
expect_stdout "counter 1"

for mode in plain blocked; do
    same "stray_$mode" 3 random "$PROGRAMS/stray" "$mode"
    expect [ "$(stat_of "$TMP/trace" stray_entries)" -ge 3 ]
done

for mode in branch far computed_goto recursion short_loop blocked flags; do
    same "spin_$mode" 5 random "$PROGRAMS/spin" "$mode"
    expect [ "$(stat_of "$TMP/trace" preemptions)" -gt 0 ]
    [ $mode != short_loop ] || expect [ "$(stat_of "$TMP/trace" trap_ticks)" -gt 0 ]
done

case_begin "a signal from outside, in the middle of a computation"
"$RRTEST" record --quiet -o trace -- perl -e '$SIG{USR1} = sub { $n++ };
    open my $f, ">", "$ARGV[0]/ready"; 1 while !$n; print "got\n"; exit 4' "$TMP" >out 2>err </dev/null &
recorder=$!
expect wait_until 20 [ -e ready ]
pkill -USR1 -P $recorder perl
wait $recorder
expect [ $? = 4 ]
run rrtest replay --quiet --verify trace
expect_status 4
expect_stdout got
finish
