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
birthplace              applied!
handler-longjmp         applied!
handler-moves-ip-away   applied!
handler-moves-ip-inside applied!
handler-reenters        applied!
parked-call             applied!
parked-handler          applied!
two-threads             applied!
vfork-child             applied!
clone-vm                applied!
page-protect            applied!
page-unmap              applied!
page-remap              applied!
dlclose                 applied!
never-restarted         applied!
contexts-return         applied!
contexts-jump           applied! stray
fork-thread             applied!
fork-handler            applied!
exec-thread             applied!
exec-handler            applied!
killed-vm               applied!
killed-group            applied!
killed-exit             applied!
restarts-handler        applied!
restarts-stop           applied!
cancel-glibc            applied!
cancel-musl             applied!
"

# Fault, a scenario that catches it, and seeds of runs in which it does.
FAULTS="
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

# measure NAME SEED...: records a run per seed. $TMP/stats gets a line per run, $TMP/wrong what a run did wrong.
measure() {
    local name=$1 program arguments seed
    read -r program arguments <<<"$(command_of "$name")"
    shift
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
    [ "$LAZY" = no ] || python3 "$E2E/patches.py" $(sed -n "s/^$1 //p" <<<"$EXPECTED") <stats
}

expect_good() {
    holds || return 0
    verdict "$1" >verdict 2>&1
    [ ! -s verdict ] || fail "$(cat verdict)"
}

INJECT=$(injections)
[ $# -gt 0 ] || set -- $(sed 's/ .*//' <<<"$EXPECTED")
FIRST=${E2E_FIRST_SEED:-1}
SEEDS=$(seq "$FIRST" $((FIRST + ${E2E_PATCHING_SEEDS:-12} - 1)))

case_begin "calls are patched at run time"
run rrtest record --quiet -o trace --patching lazy true
expect_status 0
LAZY=yes
if [ "$(stat_of trace applied)" = 0 ]; then
    LAZY=no
    skip "not yet: only what the programs do is looked at"
fi

case_begin "every test of the suite is measured here"
sed -n 's/^  - {name: \([a-z-]*\),.*/\1/p' "$SUITE" | sort >in-suite
sed 's/ .*//; /^$/d' <<<"$EXPECTED" | sort >in-table
expect_same in-suite in-table
expect [ "$(wc -l <in-suite)" -gt 20 ]

for name in "$@"; do
    case_begin "$name"
    measure "$name" $SEEDS
    expect_good "$name"
    for seed in $(head -n "${E2E_REPLAYS:-2}" <<<"$SEEDS"); do
        run rrtest replay --quiet --verify "trace-$seed"
        expect_status 0
        expect_stdout "$(command_of "$name" | sed 's/ .*//'): ok"
    done
done

while read -r fault name seeds; do
    [ -n "$fault" ] || continue
    case_begin "$fault is caught by $name"
    measure "$name" $seeds
    expect_good "$name"
    export RRTEST_FAULT=$fault
    measure "$name" $seeds
    unset RRTEST_FAULT
    verdict "$name" >verdict 2>&1
    expect [ -s verdict ]
done <<<"$FAULTS"
finish
