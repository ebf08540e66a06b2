#!/bin/bash
# Instructions that tell runs apart, in code that has no window: two runs are one where the processor traps
# them, and always where an int3 stands for them; and with the guard off, the same test sees that it is open.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

LAST_CORE=$(($(nproc) - 1))
"$RRTEST" doctor --json >"$WORK/doctor"

# needs PROBE: skip the case, with the probe's reason, where it says no
needs() {
    local reason
    reason=$(python3 -c 'import json, sys
probe = json.load(open(sys.argv[1]))["probes"][sys.argv[2]]
print("" if probe["answer"] == "yes" else probe["detail"] or "no")' "$WORK/doctor" "$1")
    [ -z "$reason" ] || skip "$reason"
}

# made TRACE CORE CASE: one recording, on one core
made() {
    run taskset -c "$2" "$RRTEST" record --quiet -o "$1" --seed 9 -- "$PROGRAMS/made_code" "$3"
}

twice() {
    made trace1 0 "$1"
    expect_status 0
    keep_as "$WORK/$1"
    sleep 0.02
    made trace2 "$LAST_CORE" "$1"
    expect_as "$WORK/$1"
    run rrtest replay --quiet --verify trace1
    expect_as "$WORK/$1"
    # ... on a machine without the traps, too
    run env RRTEST_FAULT=no_processor_traps "$RRTEST" replay --quiet --verify trace1
    expect_as "$WORK/$1"
}

case_begin "rdtsc in made code: two runs are one, and replay"
needs tsc_trap
twice rdtsc
expect [ "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["events_by_kind"]["instruction"])' \
    < <(rrtest stats trace1 --json))" -ge 8 ]

case_begin "cpuid in made code: two runs are one, and replay"
needs cpuid_faulting
twice cpuid

case_begin "rdtsc and cpuid in code too short for a window: two runs are one, and replay"
twice short_code

case_begin "a program's own trap of rdtsc"
needs tsc_trap
run "$PROGRAMS/made_code" own_trap
expect_stdout "own trap"
twice own_trap
expect_stdout "own trap"

for name in rdtsc cpuid; do
    case_begin "$name in made code: the test notices that the guard is off"
    different=no
    for core in 0 "$LAST_CORE"; do
        RRTEST_GUARD_OFF=$name made "trace$core" "$core" $name
        cmp -s "$OUT" "$WORK/$name.stdout" || different=yes
    done
    expect [ $different = yes ]
done
finish
