#!/bin/bash
# `rrtest timeline`: traces of real programs as trace events, checked by the format's rules
# (ci/e2e/trace_event.py) and against what the programs did.
. "$(dirname "$0")/lib.sh"

check() { # check FILE OPTIONS...
    run python3 "$E2E/trace_event.py" "$@"
    expect_status 0
}

# events CONDITION: how many events (as e) fulfil a condition in Python
events() {
    python3 -c "import json, sys
print(sum(1 for e in json.load(open(sys.argv[1]))['traceEvents'] if $1))" "$TMP/t.json"
}

case_begin "threads that hand a lock over"
run rrtest record --quiet -o "$TMP/trace" --strategy random --seed 3 "$SCENARIOS/use_after_free_fixed"
expect_status 0
run rrtest timeline "$TMP/trace" -o "$TMP/t.json"
expect_status 0
expect_stdout ""
expect_stderr_empty
check "$TMP/t.json" --threads 7 --flows 6
expect [ "$(events "e['name'] == 'runs' and e['ph'] == 'X'")" -ge 7 ]
expect [ "$(events "e['ph'] == 'f' and e['name'] == 'makes'")" = 6 ]
run rrtest timeline "$TMP/trace" -o - --axis step
expect_status 0
cp "$OUT" "$TMP/t.json"
check "$TMP/t.json" --threads 7 --flows 6

case_begin "an injected signal stands at its place in the source"
# The first seed that injects it where its handler runs.
for seed in $(seq 40); do
    rm -rf "$TMP/trace"
    run rrtest record --quiet -o "$TMP/trace" --strategy random --seed "$seed" \
        --inject SIGUSR1:probability=1:limit=1 "$SCENARIOS/signal_reentrancy"
    run rrtest dump "$TMP/trace"
    ! grep -q ' signal SIGUSR1' "$OUT" || break
done
run rrtest timeline "$TMP/trace" -o "$TMP/t.json"
expect_status 0
check "$TMP/t.json" --threads 2
expect [ "$(events "e['cat' if e['ph'] != 'M' else 'name'] == 'signal' and e['ph'] in 'ib' and e['args'].get('injected')
    and 'on_status' in e['args']['handler'] and 'signal_reentrancy.c:' in e['args']['handler']")" = 1 ]

case_begin "preemptions of optimised and inlined C++ code are symbolised and demangled"
run rrtest record --quiet -o "$TMP/trace" --strategy random --seed 5 "$SCENARIOS/check_then_act_fixed"
run rrtest timeline "$TMP/trace" -o "$TMP/t.json"
expect_status 0
check "$TMP/t.json" --threads 2
expect [ "$(events "'_Z' in json.dumps(e)")" = 0 ]
expect [ "$(events "e.get('cat') == 'preempt'")" -ge 1 ]
expect [ "$(events "e.get('cat') == 'preempt' and 'place' not in e['args']")" = 0 ]

case_begin "processes that start programs"
run rrtest record --quiet -o "$TMP/trace" --seed 1 sh -c 'for i in 1 2 3; do /bin/echo $i | /bin/cat & done; wait'
expect_status 0
run rrtest timeline "$TMP/trace" -o "$TMP/t.json"
expect_status 0
check "$TMP/t.json" --threads 7 --flows 6
expect [ "$(events "e['ph'] == 'M' and e['name'] == 'process_name' and e['args']['name'] == 'cat'")" = 3 ]
expect [ "$(events "e.get('cat') == 'output' and e['args']['detail'] in ('\"1\\\\n\"', '\"2\\\\n\"', '\"3\\\\n\"')")" = 3 ]

case_begin "a viewer that others wrote shows it, and refuses what is none"
(. "$ROOT/ci/lib.sh" && lock && node_modules) || exit 99
export NODE_MODULES=$ROOT/build/node_modules
run rrtest record --quiet -o "$TMP/trace" --strategy random --seed 3 "$SCENARIOS/use_after_free_fixed"
for axis in time step; do
    run rrtest timeline "$TMP/trace" -o "$TMP/t.json" --axis $axis
    run node "$E2E/speedscope.mjs" "$TMP/t.json"
    expect_status 0
    expect_stdout_has "use_after_free_ (pid 2), task 1" # comm has 15 characters
    expect_stdout_has "(1/7)"
done
echo '{"traceEvents": [{"ph": "X"' >"$TMP/t.json"
run node "$E2E/speedscope.mjs" "$TMP/t.json"
expect_status 1

case_begin "what is long is merged, and says so"
run rrtest record --quiet -o "$TMP/trace" --seed 1 sh -c 'for i in 1 2 3 4 5 6; do /bin/true; done'
run rrtest timeline "$TMP/trace" -o "$TMP/t.json" --items 100
expect_status 0
expect_stderr_matches '[0-9]+ earlier items are merged; --items 0 shows all'
check "$TMP/t.json" --threads 7
expect [ "$(events "e.get('cat') == 'merged'")" -ge 7 ]
expect [ "$(events "e['ph'] in 'iX'")" -lt 600 ]
run rrtest timeline "$TMP/trace" -o "$TMP/t.json" --items 0
expect_stderr_empty
expect [ "$(events "e.get('cat') == 'merged'")" = 0 ]

case_begin "a trace that was cut is shown as far as it goes"
run rrtest record --quiet -o "$TMP/trace" --seed 1 "$SCENARIOS/lost_update_fixed"
sed -i 's/"complete": true/"complete": false/' "$TMP/trace/meta.json"
run rrtest timeline "$TMP/trace" -o "$TMP/t.json"
expect_status 2
expect_stderr_has "meta.json"

case_begin "a packed trace gives the same timeline"
run rrtest record --quiet -o "$TMP/trace" --seed 1 "$SCENARIOS/lost_update_fixed"
run rrtest pack "$TMP/trace" -o "$TMP/t.rrt"
expect_status 0
run rrtest timeline "$TMP/trace" -o "$TMP/t.json"
run rrtest timeline "$TMP/t.rrt" -o "$TMP/packed.json"
expect_status 0
expect_same "$TMP/t.json" "$TMP/packed.json"

case_begin "mistakes have one message each"
run rrtest timeline "$TMP/none" -o "$TMP/t.json"
expect_status 2
expect_stderr_has "$TMP/none"
expect_no_file "$TMP/t.json"
run rrtest timeline "$TMP/none"
expect_status 2
expect_stderr_has "-o FILE is missing"
run rrtest record --quiet -o "$TMP/trace" "$PROGRAMS/hello"
run rrtest timeline "$TMP/trace" -o "$TMP/no/folder.json"
expect_status 2
expect_stderr_has "cannot write $TMP/no/folder.json"
run rrtest timeline "$TMP/trace" -o /dev/full
expect_status 2
expect_stderr_has "cannot write /dev/full"
run rrtest timeline "$TMP/trace" -o - --axis sideways
expect_status 2
expect_stderr_has "expected time or step"

case_begin "the check itself notices what is wrong"
run rrtest record --quiet -o "$TMP/trace" --seed 1 "$SCENARIOS/lost_update_fixed"
run rrtest timeline "$TMP/trace" -o "$TMP/t.json"
for change in 's/"ph": "X"/"ph": "Q"/' 's/"dur": [0-9.]*/"dur": 1e9/' 's/"ph": "f"/"ph": "s"/' \
    's/"name": "thread_name"/"name": "thread_nom"/' 's/"ts": /"ts": -/'; do
    sed "$change" "$TMP/t.json" >"$TMP/bad.json"
    run python3 "$E2E/trace_event.py" "$TMP/bad.json"
    expect_status 1
done

finish
