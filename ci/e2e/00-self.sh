#!/bin/bash
# The test language itself: every expectation is seen failing, and a script that stops early is noticed.
. "$(dirname "$0")/lib.sh"

# script BODY: run a script of one case in a shell of its own.
script() {
    {
        echo ". '$E2E/lib.sh'"
        echo "case_begin inner"
        printf '%s\n' "$1"
        echo finish
    } >inner.sh
    run bash inner.sh
}

fails() {
    case_begin "a failing expectation is noticed: $1"
    script "$1"
    expect_status 1
    expect_stdout "FAIL inner"
}

passes() {
    case_begin "a true expectation passes: $1"
    script "$1"
    expect_status 0
    expect_stdout "ok inner"
}

passes 'run true; expect_status 0; expect_stdout ""; expect_stderr_empty'
passes 'run echo a; expect_stdout a'
passes 'run printf a; expect_stdout a'
passes 'run sh -c "echo a >&2"; expect_stderr_has a'
passes 'run cat; expect_stdout ""'
fails 'run false; expect_status 0'
fails 'run echo a; expect_stdout ""'
fails 'run echo a; expect_stdout b'
fails 'run echo ab; expect_stdout a'
fails 'run printf "a\nb\n"; expect_stdout a'
fails 'run echo a; expect_stdout_has b'
fails 'run echo a; expect_stdout_lacks a'
fails 'run echo a; expect_stdout_matches "^b"'
fails 'run sh -c "echo a >&2"; expect_stderr_empty'
fails 'run sh -c "echo a >&2"; expect_stderr_has b'
fails 'run sh -c "echo a >&2"; expect_stderr_lacks a'
fails 'run sh -c "echo a >&2"; expect_stderr_matches b'
fails 'expect_file nowhere'
fails 'touch here; expect_no_file here'
fails 'echo a >a; echo b >b; expect_same a b'
fails 'expect [ 1 -gt 2 ]'
fails 'TIMEOUT=1; run sleep 30; expect_status 0'

case_begin "a script that stops early is a failure"
script 'exit 0'
expect_status 99
expect_stdout_has "FAIL inner.sh"

case_begin "a script without cases is a failure"
printf '%s\n' ". '$E2E/lib.sh'" finish >inner.sh
run bash inner.sh
expect_status 99

case_begin "a skipped case does not count as passed"
script 'skip "no reason"; run false; expect_status 0'
expect_status 0
expect_stdout "skip inner (no reason)"

finish
