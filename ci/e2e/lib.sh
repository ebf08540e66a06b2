# shellcheck shell=bash
# The end-to-end tests' own language. A script sources this file, has a number of cases, and ends with
# `finish`:
#
#   case_begin "record passes the exit status on"
#   run rrtest record -o "$TMP/trace" sh -c 'exit 7'
#   expect_status 7
#   expect_stdout ""
#
# `run` keeps going whatever the command does; the first expectation that does not hold ends its case
# (later ones of the case are passed over) and tells what was seen. Each case starts with an empty $TMP.
# One line per case on stdout: "ok NAME", "FAIL NAME" or "skip NAME (WHY)"; details on stderr.
# Exit status: 0 all passed, 1 a case failed, 99 the script itself is broken.

set -u
E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$E2E/../.." && pwd)
BUILD=${RRTEST_BUILD:-$ROOT/build/dev}
PROGRAMS=$BUILD/e2e
SCENARIOS=$BUILD/scenarios
RRTEST=$BUILD/rrtest
TIMEOUT=${TIMEOUT:-60}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/rrtest-e2e-XXXXXX") || exit 99
TMP=$WORK/tmp
OUT=$WORK/stdout
ERR=$WORK/stderr
export XDG_DATA_HOME=$WORK/data
export XDG_CACHE_HOME=${RRTEST_E2E_CACHE:-$BUILD/cache}
export LC_ALL=C
unset RRTEST_LOG RRTEST_GUARD_OFF NO_COLOR

cases=0
failed=0
case_name=
case_state=none # none, good, bad, skipped
finished=no
STATUS=0

clean_up() {
    local code=$?
    chmod -R u+rwx "$WORK" 2>/dev/null
    rm -rf "$WORK"
    if [ "$finished" = no ]; then
        echo "FAIL $(basename "$0") (the script ended early with status $code)"
        exit 99
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

[ -x "$RRTEST" ] || { echo "no $RRTEST: build first (ci/test does)" >&2; exit 99; }

rrtest() {
    "$RRTEST" "$@"
}

case_end() {
    case $case_state in
    good) echo "ok $case_name" ;;
    bad) echo "FAIL $case_name"; failed=$((failed + 1)) ;;
    esac
    case_state=none
}

case_begin() {
    case_end
    case_name=$1
    case_state=good
    cases=$((cases + 1))
    cd / && chmod -R u+rwx "$TMP" 2>/dev/null
    rm -rf "$TMP" && mkdir "$TMP" && cd "$TMP" || exit 99
    : >"$OUT"
    : >"$ERR"
}

# skip WHY: the rest of the case is passed over.
skip() {
    echo "skip $case_name ($1)"
    case_state=skipped
}

fail() {
    [ "$case_state" = good ] || return 0
    case_state=bad
    {
        echo "--- $case_name: $1"
        echo "    command: ${LAST:-none} (status $STATUS)"
        sed 's/^/    stdout: /' "$OUT" | head -n 30
        sed 's/^/    stderr: /' "$ERR" | head -n 30
    } >&2
}

# run COMMAND...: output into $OUT and $ERR, status into $STATUS (124: it took longer than $TIMEOUT s).
# stdin is /dev/null.
run() {
    [ "$case_state" = good ] || return 0
    LAST=$*
    if [ "$1" = rrtest ]; then
        shift
        set -- "$RRTEST" "$@"
    fi
    timeout -k 5 "$TIMEOUT" "$@" >"$OUT" 2>"$ERR" </dev/null
    STATUS=$?
}

expect_status() {
    [ "$case_state" = good ] || return 0
    [ "$STATUS" = "$1" ] || fail "expected exit status $1, got $STATUS"
}

# The whole of stdout, without the last newline.
expect_stdout() {
    [ "$case_state" = good ] || return 0
    [ "$(cat "$OUT"; echo .)" = "$1${1:+
}." ] || [ "$(cat "$OUT"; echo .)" = "$1." ] || fail "expected stdout to be '$1'"
}

expect_stdout_has() {
    [ "$case_state" = good ] || return 0
    grep -qF -e "$1" "$OUT" || fail "expected '$1' on stdout"
}

expect_stdout_lacks() {
    [ "$case_state" = good ] || return 0
    ! grep -qF -e "$1" "$OUT" || fail "expected no '$1' on stdout"
}

# An extended regular expression that matches a line.
expect_stdout_matches() {
    [ "$case_state" = good ] || return 0
    grep -qE -e "$1" "$OUT" || fail "expected a line like '$1' on stdout"
}

expect_stderr_has() {
    [ "$case_state" = good ] || return 0
    grep -qF -e "$1" "$ERR" || fail "expected '$1' on stderr"
}

expect_stderr_lacks() {
    [ "$case_state" = good ] || return 0
    ! grep -qF -e "$1" "$ERR" || fail "expected no '$1' on stderr"
}

expect_stderr_matches() {
    [ "$case_state" = good ] || return 0
    grep -qE -e "$1" "$ERR" || fail "expected a line like '$1' on stderr"
}

expect_stderr_empty() {
    [ "$case_state" = good ] || return 0
    [ ! -s "$ERR" ] || fail "expected nothing on stderr"
}

expect_file() {
    [ "$case_state" = good ] || return 0
    [ -e "$1" ] || fail "expected $1 to exist"
}

expect_no_file() {
    [ "$case_state" = good ] || return 0
    [ ! -e "$1" ] || fail "expected $1 not to exist"
}

expect_same() {
    [ "$case_state" = good ] || return 0
    cmp -s "$1" "$2" || fail "expected $1 and $2 to be equal"
}

# expect CONDITION...: any command that must succeed, e.g. expect [ "$n" -gt 3 ]
expect() {
    [ "$case_state" = good ] || return 0
    "$@" || fail "expected: $*"
}

# Does the case still hold? For loops that would only repeat a failure.
holds() {
    [ "$case_state" = good ]
}

# wait_until SECONDS COMMAND...: poll a condition that another process makes true.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

finish() {
    case_end
    finished=yes
    [ "$cases" -gt 0 ] || exit 99
    [ "$failed" = 0 ] || exit 1
    exit 0
}
