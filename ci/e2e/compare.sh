# shellcheck shell=bash
# Sourced after lib.sh by the scripts that record, replay and compare.
#
#   same NAME SEED STRATEGY COMMAND...   one case: the recorded run and its replay with --verify print and
#                                        return what the native run did. The trace is $TMP/trace.
#   same_for_seeds NAME COMMAND...       round-robin, then random with the seeds 1..E2E_SEEDS (default 2)
#   same_lazily NAME COMMAND...           the same with `--patching lazy`, and one random seed
#   stat_of TRACE KEY                    a number or text out of stats --json
#
# E2E_PATCHING: static (default), lazy, off. Native and recorded runs get an empty TMPDIR, and run in $TMP.

SEEDS=${E2E_SEEDS:-2}
PATCHING=${E2E_PATCHING:-static}
TIMEOUT=${E2E_TIMEOUT:-300}
mkdir "$WORK/native" || exit 99

# keep_as PREFIX: what the last `run` gave
keep_as() {
    cp "$OUT" "$1.stdout"
    cp "$ERR" "$1.stderr"
    echo "$STATUS" >"$1.status"
}

# expect_as PREFIX: the last `run` gave the same
expect_as() {
    holds || return 0
    local expected
    expected=$(cat "$1.status")
    expect_status "$expected"
    for stream in stdout stderr; do
        holds || return 0
        local file=$OUT
        [ $stream = stderr ] && file=$ERR
        cmp -s "$1.$stream" "$file" ||
            fail "$stream differs from $(basename "$1"): $(diff -a "$1.$stream" "$file" | head -5)"
    done
}

same() {
    local name=$1 seed=$2 strategy=$3
    shift 3
    case_begin "$name, $strategy, seed $seed, $PATCHING"
    if [ ! -e "$WORK/native/$name.status" ]; then
        # Natively a busy machine can fail a program that watches the clock; recorded it cannot.
        for _ in 1 2 3; do
            mkdir temporary
            run env TMPDIR="$TMP/temporary" "$@"
            keep_as "$WORK/native/$name"
            rm -rf temporary
            [ "$STATUS" != 0 ] || break
        done
    fi
    mkdir temporary
    run env TMPDIR="$TMP/temporary" "$RRTEST" record --quiet -o "$TMP/trace" --seed "$seed" \
        --strategy "$strategy" --patching "$PATCHING" -- "$@"
    expect_as "$WORK/native/$name"
    run rrtest replay --quiet --verify "$TMP/trace"
    expect_as "$WORK/native/$name"
}

same_for_seeds() {
    local name=$1 seed
    shift
    same "$name" 0 round-robin "$@"
    for seed in $(seq "$SEEDS"); do
        same "$name" "$seed" random "$@"
    done
}

same_lazily() {
    local name=$1
    shift
    PATCHING=lazy same "$name" 1 random "$@"
}

stat_of() {
    "$RRTEST" stats --json "$1" | tr -d ' \n' | grep -oE "\"$2\":\"?[^,\"}]*" | head -1 |
        sed 's/.*://; s/"//'
}
