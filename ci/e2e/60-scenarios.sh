#!/bin/bash
# Every bug of scenarios/suite.yaml is found within its 500 runs and its kept trace replays to the same
# failure; no twin fails, and twins switch threads at least half as often.
# E2E_SCENARIO_SEEDS: session seeds (default 1; 6 by hand). E2E_REPLAYS: per kept trace (default 2; 20).
# E2E_TWIN_RUNS: runs per twin (default 100; 3000). Arguments choose scenarios.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

for suite in suite twins; do
    sed "s|\\.\\./build/release/scenarios|$SCENARIOS|" "$ROOT/scenarios/$suite.yaml" >"$WORK/$suite.yaml"
done
ALL=$(sed -n 's/^  - name: \([a-z-]*\).*/\1/p' "$WORK/suite.yaml")

injection_of() {
    [ "$1" != signal-reentrancy ] || echo "--inject=SIGUSR1:probability=0.05"
}

# switches PROGRAM INJECTION: thread switches of 10 random runs together
switches() {
    local seed sum=0 count
    for seed in $(seq 10); do
        rm -rf switches
        timeout 60 "$RRTEST" record --quiet -o switches --seed "$seed" --strategy random $2 -- \
            "$SCENARIOS/$1" >/dev/null 2>&1 </dev/null
        count=$(stat_of switches switches)
        sum=$((sum + ${count:-0}))
    done
    echo $sum
}

[ $# -gt 0 ] || set -- $ALL
for name in "$@"; do
    for seed in $(seq "${E2E_SCENARIO_SEEDS:-1}"); do
        case_begin "$name is found, seed $seed"
        run rrtest run "$WORK/suite.yaml" --seed "$seed" --filter "$name" --out kept
        expect_status 1
        trace=$(find kept -name events.zst | head -n 1)
        expect [ -n "$trace" ]
        trace=$(dirname "${trace:-none/none}")
        run rrtest replay --quiet --verify "$trace"
        expect [ "$STATUS" != 0 -a "$STATUS" != 70 -a "$STATUS" != 125 ]
        expect_same "$trace/stderr" "$ERR"
        keep_as first
        for _ in $(seq 2 "${E2E_REPLAYS:-2}"); do
            run rrtest replay --quiet --verify "$trace"
            expect_as first
        done
    done

    case_begin "$name: the twin does not fail"
    run rrtest run "$WORK/twins.yaml" --seed 1 --runs "${E2E_TWIN_RUNS:-100}" --filter "$name-fixed" --out kept
    expect_status 0

    case_begin "$name: the twin does not fail where every call stops either"
    run rrtest run "$WORK/twins.yaml" --seed 1 --runs 10 --patching off --filter "$name-fixed" --out kept
    expect_status 0
    # shellcheck disable=SC2046 # words
    run rrtest record --quiet -o off --seed 2 --strategy random --patching off $(injection_of "$name") -- \
        "$SCENARIOS/${name//-/_}_fixed"
    expect_status 0
    run rrtest replay --quiet --verify off
    expect_status 0

    case_begin "$name: the twin switches at least half as often"
    buggy=$(switches "${name//-/_}" "$(injection_of "$name")")
    fixed=$(switches "${name//-/_}_fixed" "$(injection_of "$name")")
    expect [ "$buggy" -gt 0 -a $((2 * fixed)) -ge "$buggy" ]
done
finish
