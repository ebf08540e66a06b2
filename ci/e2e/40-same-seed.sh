#!/bin/bash
# One seed, one run: a program whose output depends on the order of its threads alone gives one schedule
# digest and one output, with one worker and with two, alone and under load. Many seeds give many outputs.
# E2E_SAME_RUNS: runs with one seed (default 50). E2E_PATCHING: static (default), lazy, off.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

RUNS=${E2E_SAME_RUNS:-50}
cat >"$WORK/racy.yaml" <<YAML
version: 1
tests:
  - name: racy
    command: ["$PROGRAMS/racy"]
    strategy: random
    patching: $PATCHING
    timeout: 60s
YAML

# repeat FOLDER OPTIONS...: all runs kept
repeat() {
    local folder=$1
    shift
    run rrtest run "$WORK/racy.yaml" --keep all --keep-going --out "$folder" "$@"
    expect_status 0
}

outputs_of() {
    find "$1" -name stdout -exec cat {} + | sort -u
}

digests_of() {
    local trace
    find "$1" -name events.zst | while read -r trace; do
        stat_of "$(dirname "$trace")" schedule_digest
    done | sort -u
}

# expect_one_run FOLDER: RUNS traces, one digest, one output; both the same as those of earlier cases
expect_one_run() {
    expect [ "$(find "$1" -name events.zst | wc -l)" -eq "$RUNS" ]
    outputs_of "$1" >>"$WORK/outputs"
    digests_of "$1" >>"$WORK/digests"
    expect [ "$(sort -u "$WORK/outputs" | wc -l)" -eq 1 ]
    expect [ "$(sort -u "$WORK/digests" | wc -l)" -eq 1 ]
}

case_begin "$RUNS runs with one seed are one run"
repeat kept --run-seed 7 --runs "$RUNS" --jobs 1
expect_one_run kept

case_begin "$RUNS runs with one seed are one run, two at a time"
repeat kept --run-seed 7 --runs "$RUNS" --jobs 2
expect_one_run kept

case_begin "$RUNS runs with one seed are one run, under load"
busy=()
for _ in $(seq "$(nproc)"); do
    (while :; do :; done) &
    busy+=($!)
done
repeat kept --run-seed 7 --runs "$RUNS" --jobs 2
kill "${busy[@]}"
wait "${busy[@]}" 2>/dev/null
expect_one_run kept

case_begin "two recordings with one seed are one run"
for i in 1 2; do
    run rrtest record --quiet -o "trace$i" --seed 7 --strategy random --patching "$PATCHING" -- "$PROGRAMS/racy"
    expect_status 0
    cp "$OUT" "out$i"
done
expect_same out1 out2
expect [ "$(stat_of trace1 schedule_digest)" = "$(stat_of trace2 schedule_digest)" ]

case_begin "50 seeds give more than 40 outputs"
repeat kept --seed 11 --runs 50
expect [ "$(outputs_of kept | wc -l)" -gt 40 ]
finish
