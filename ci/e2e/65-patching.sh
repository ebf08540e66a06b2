#!/bin/bash
# Lazy patching of system calls: each program of scenarios/syscall-patching does what it does natively, under
# random schedules and with signals at bad moments; what was decided about patches is as it must be; replay
# agrees. Each fault that brings an old mistake back is caught.
# E2E_PATCHING_SEEDS: runs per scenario (default 12; 72 by hand). E2E_REPLAYS: replays of these (default 2; 8).
# E2E_FIRST_SEED: the first seed (default 1). Arguments choose scenarios.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

SUITE=$ROOT/scenarios/syscall-patching/suite.yaml
FOLDER=$SCENARIOS/syscall-patching

# Scenario (a test of the suite), and what its runs must have counted: see patches.py.
EXPECTED="
birthplace              applied! retried!
handler-longjmp         applied! retried!
handler-moves-ip-away   applied! retried!
handler-moves-ip-inside applied! retried!
handler-reenters        applied! retried!
parked-call             applied! retried! deferred_occupied
parked-handler          applied! retried!
two-threads             applied! retried! deferred_occupied
vfork-child             applied! retried!
clone-vm                applied! retried!
page-protect            applied! retried!
page-unmap              applied! retried!
page-remap              applied! retried!
dlclose                 applied! retried!
never-restarted         applied! retried!
contexts-return         applied! retried!
contexts-jump           applied! retried! stray
fork-thread             applied! retried!
fork-handler            applied! retried!
exec-thread             applied! retried!
exec-handler            applied! retried!
killed-vm               applied! retried!
killed-group            applied! retried!
killed-exit             applied! retried!
restarts-handler        applied! retried!
restarts-stop           applied! retried! deferred_occupied
cancel-glibc            applied! retried!
cancel-musl             applied! retried!
"

# Fault, a scenario that catches it, the shape of its sites (site.h), and seeds of which some do.
FAULTS="
patch-flag-per-task    birthplace      before 1 2 3 4
patch-flag-per-task    two-threads     before 1 2
patch-ignore-occupancy page-remap      around 1 2
patch-ignore-occupancy restarts-stop   before 1 2 3
patch-ignore-restart   restarts-stop   before 1 2 3
patch-no-ip-check      never-restarted before 1 2
patch-no-ip-check      handler-longjmp before 1 2
patch-forget-retry     birthplace      before 1
"

# of_suite NAME: its line in the suite
of_suite() {
    grep -F -- "- {name: $1," "$SUITE"
}

command_of() {
    of_suite "$1" | sed 's/.*command: \[\([^]]*\)\].*/\1/; s/, / /g'
}

# The suite's injections as options.
injections() {
    sed -n 's/^ *- {signal: \([^}]*\)}$/--inject=\1/p' "$SUITE" | sed 's/, /:/g; s/: /=/g'
}

# measure NAME SHAPE SEED...: records a run per seed, with sites of that shape. $TMP/stats gets a line per run, $TMP/wrong what a run did wrong.
measure() {
    local name=$1 program arguments seed
    read -r program arguments <<<"$(command_of "$name" | sed "s/drawn/$2/")"
    shift 2
    : >stats
    : >wrong
    for seed in "$@"; do
        rm -rf "trace-$seed"
        LAST="rrtest record --patching lazy --strategy random --seed $seed $(echo $INJECT) -- $program $arguments"
        timeout -k 5 60 "$RRTEST" record --quiet -o "trace-$seed" --patching lazy --strategy random \
            --seed "$seed" --timeout 30s --virtual-timeout 60s $INJECT -- "$FOLDER/$program" $arguments \
            >"$OUT" 2>"$ERR" </dev/null
        STATUS=$?
        if [ $STATUS != 0 ] || [ "$(cat "$OUT")" != "$program: ok" ]; then
            echo "seed $seed: status $STATUS: $(head -n 5 "$OUT" "$ERR")" >>wrong
        fi
        "$RRTEST" stats --json "trace-$seed" >>stats || echo "seed $seed: no stats" >>wrong
    done
}

# verdict NAME: what is wrong with the runs measured; says nothing if nothing is
verdict() {
    cat wrong
    # shellcheck disable=SC2046 # words
    python3 "$E2E/patches.py" $(sed -n "s/^$1 //p" <<<"$EXPECTED") <stats
}

expect_good() {
    holds || return 0
    verdict "$1" >verdict 2>&1
    [ ! -s verdict ] || fail "$(cat verdict)"
}

INJECT=$(injections)
# shellcheck disable=SC2046 # words
[ $# -gt 0 ] || set -- $(sed 's/ .*//' <<<"$EXPECTED")
FIRST=${E2E_FIRST_SEED:-1}
SEEDS=$(seq "$FIRST" $((FIRST + ${E2E_PATCHING_SEEDS:-12} - 1)))

case_begin "calls are patched at run time"
run rrtest record --quiet -o trace --patching lazy true
expect_status 0
expect [ "$(stat_of trace applied)" != 0 ]

case_begin "every test of the suite is measured here"
sed -n 's/^  - {name: \([a-z-]*\),.*/\1/p' "$SUITE" | sort >in-suite
sed 's/ .*//; /^$/d' <<<"$EXPECTED" | sort >in-table
expect_same in-suite in-table
expect [ "$(wc -l <in-suite)" -gt 20 ]

for name in "$@"; do
    case_begin "$name"
    measure "$name" drawn $SEEDS
    expect_good "$name"
    for seed in $(head -n "${E2E_REPLAYS:-2}" <<<"$SEEDS"); do
        run rrtest replay --quiet --verify "trace-$seed"
        expect_status 0
        expect_stdout "$(command_of "$name" | sed 's/ .*//'): ok"
    done
done

while read -r fault name shape seeds; do
    [ -n "$fault" ] || continue
    case_begin "$fault is caught by $name"
    measure "$name" "$shape" $seeds
    expect_good "$name"
    export RRTEST_FAULT=$fault
    measure "$name" "$shape" $seeds
    unset RRTEST_FAULT
    verdict "$name" >verdict 2>&1
    expect [ -s verdict ]
done <<<"$FAULTS"
finish
