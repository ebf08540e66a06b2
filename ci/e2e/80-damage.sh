#!/bin/bash
# Damaged traces: every one gives an error or the correct replay, never a crash, a hang or a wrong replay that
# is accepted. E2E_DAMAGE: drawn positions a trace (default 250; 0: every byte), each flipped and cut.
. "$(dirname "$0")/lib.sh"

positions=${E2E_DAMAGE:-250}
TIMEOUT=${E2E_DAMAGE_TIMEOUT:-600}

damaged() {
    case_begin "damaged trace of $1"
    run rrtest record --quiet -o "$TMP/trace" -- "$PROGRAMS/$1"
    expect_status 0
    cp "$OUT" "$TMP/expected"
    run "$E2E/damage.py" "$RRTEST" "$TMP/trace" "$2" "${E2E_SEED:-1}" 0 "$TMP/expected"
    expect_status 0
    expect_stdout_has " 0 violations"
}

damaged nolibc "$positions"
damaged hello "$((positions ? positions / 2 : 1000))"
finish
