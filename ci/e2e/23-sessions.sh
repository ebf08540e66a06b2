#!/bin/bash
# Sessions: an imported project is hunted whole, killed and resumed, and in shards; all find the same. A
# session's folder: one session at a time, only the same one goes on, the quota of kept traces.
. "$(dirname "$0")/lib.sh"

TESTS=${E2E_SESSION_TESTS:-60}
EVERY=${E2E_SESSION_EVERY:-15} # one test in so many is racy
RUNS=${E2E_SESSION_RUNS:-12}
KILLS=${E2E_SESSION_KILLS:-3}
TIMEOUT=${E2E_SESSION_TIMEOUT:-300}
SESSION=(run "$WORK/suite.yaml" --seed 5 --runs "$RUNS" --keep-going)
COMPARE=$E2E/projects/same-results

case_begin "a project with CTest tests is imported and hunted"
run python3 "$E2E/projects/make-project" "$WORK/project" "$TESTS" "$EVERY"
run cmake -S "$WORK/project" -B "$WORK/build" -DCMAKE_BUILD_TYPE=Debug
run cmake --build "$WORK/build"
run rrtest import ctest "$WORK/build" -o "$WORK/suite.yaml"
expect_status 0
run rrtest "${SESSION[@]}" --out "$WORK/whole" --report json="$WORK/whole.json"
expect_status 1
racy=$((TESTS / EVERY))
failing=$(sed -nE 's/^[0-9]+ passed, ([0-9]+) failed.*/\1/p' "$OUT")
expect [ "$failing" -ge 1 ]
expect [ "$failing" -le "$racy" ] # what is not racy passes
expect_file "$WORK/whole/results.json"
expect_same "$WORK/whole/results.json" "$WORK/whole.json"
expect_no_file "$WORK/whole/session.journal"

# Kill the session with SIGKILL at a drawn moment of its life; true if it was still alive.
kill_session() {
    local pid
    "$RRTEST" "${SESSION[@]}" --out "$WORK/killed" --resume >"$WORK/killed.out" 2>"$WORK/killed.err" </dev/null &
    pid=$!
    sleep "$(awk -v seed="$RANDOM" -v whole="$WHOLE_MS" 'BEGIN {
        srand(seed); print (0.1 + 0.25 * rand()) * whole / 1000 }')"
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    [ -f "$WORK/killed/session.journal" ]
}

case_begin "killed $KILLS times with SIGKILL and resumed: the same, test by test"
WHOLE_MS=$(python3 -c "import json; print(json.load(open('$WORK/whole.json'))['wall_ns'] // 1000000)")
for _ in $(seq "$KILLS"); do
    expect kill_session
done
run rrtest "${SESSION[@]}" --out "$WORK/killed" --resume
expect_status 1
expect_stderr_lacks "starting anew"
run python3 "$COMPARE" "$WORK/whole.json" "$WORK/killed/results.json"
expect_status 0
expect_no_file "$WORK/killed/session.journal"
trace=$(find "$WORK/killed" -name meta.json | head -n 1)
run rrtest replay "${trace%/meta.json}" --verify
expect_status 1

case_begin "an interrupted session says how to go on, and does"
LAST="rrtest ${SESSION[*]} (interrupted)"
"$RRTEST" "${SESSION[@]}" --out "$WORK/stopped" >"$OUT" 2>"$ERR" </dev/null &
pid=$!
wait_until 60 test -s "$WORK/stopped/session.journal"
sleep "$(awk -v whole="$WHOLE_MS" 'BEGIN { print whole / 3000 }')"
kill -TERM "$pid"
wait "$pid"
STATUS=$?
expect_status 143
expect_stdout_has "unfinished (interrupted)"
command=$(sed -n 's/^go on with: //p' "$OUT")
expect [ -n "$command" ]
run sh -c "$command"
expect_status 1
run python3 "$COMPARE" "$WORK/whole.json" "$WORK/stopped/results.json"
expect_status 0

for by in tests runs; do
    case_begin "in 4 shards by $by and merged: the same, test by test"
    for i in 1 2 3 4; do
        run env CI_NODE_INDEX=$i CI_NODE_TOTAL=4 "$RRTEST" "${SESSION[@]}" --shard auto --shard-by $by \
            --out "$WORK/$by-$i"
        expect [ "$STATUS" -le 1 ]
        expect_file "$WORK/$by-$i/results.json"
    done
    run rrtest merge "$WORK/$by-1" "$WORK/$by-2" "$WORK/$by-3" "$WORK/$by-4" -o "$WORK/$by"
    expect_status 1
    counts=()
    [ $by != runs ] || counts=(--no-counts)
    run python3 "$COMPARE" "$WORK/whole.json" "$WORK/$by/results.json" "${counts[@]}"
    expect_status 0
    run rrtest merge "$WORK/$by-1" "$WORK/$by-2" "$WORK/$by-4" -o "$WORK/$by-less"
    expect_status 1
    expect_stdout_has "shard 3 of 4 is missing"
done

case_begin "tests that stop at their first failure: resumed and sharded by runs as well"
SHORT=(run "$WORK/suite.yaml" --seed 6 --runs "$RUNS" --filter 'case-*[05]')
run rrtest "${SHORT[@]}" --out "$WORK/short"
for i in 1 2 3; do
    run rrtest "${SHORT[@]}" --shard $i/3 --shard-by runs --out "$WORK/short-$i"
done
run rrtest merge "$WORK/short-1" "$WORK/short-2" "$WORK/short-3" -o "$WORK/short-merged"
run python3 "$COMPARE" "$WORK/short/results.json" "$WORK/short-merged/results.json" --no-counts
expect_status 0

case_begin "one session at a time uses a folder"
write_slow() {
    cat >slow.yaml <<'YAML'
version: 1
tests:
  - {name: slow, command: [sleep, "30"], clock: real, timeout: none, runs: 1, strategy: round-robin}
  - {name: quick, command: ["true"], runs: 2}
YAML
}
write_slow
"$RRTEST" run slow.yaml --filter slow --out here >/dev/null 2>&1 </dev/null &
pid=$!
wait_until 20 test -s here/session.journal
run rrtest run slow.yaml --filter quick --out here
expect_status 2
expect_stderr_has "in use by another rrtest run (process $pid)"
expect_stderr_has "--out"
run rrtest run slow.yaml --filter quick --out there
expect_status 0
kill -TERM "$pid"
wait "$pid"

case_begin "only the same session goes on"
write_slow
timeout -s KILL 2 "$RRTEST" run slow.yaml --out here --seed 3 >/dev/null 2>&1 </dev/null
expect_file here/session.journal
run rrtest run slow.yaml --out here --resume --runs 7
expect_status 2
expect_stderr_has "the options was none, now it is  --runs 7"
run rrtest run slow.yaml --out here --resume --seed 4
expect_status 2
expect_stderr_has "--seed was 3, now it is 4"
sed -i 's/sleep, "30"/sleep, "1"/' slow.yaml
run rrtest run slow.yaml --out here --resume
expect_status 2
expect_stderr_has "the suite"
run rrtest run slow.yaml --out here
expect_status 0
expect_stderr_has "an interrupted session in here was discarded"
expect_no_file here
run rrtest run slow.yaml --out here --resume
expect_status 0
expect_stderr_has "no interrupted session in here to go on with: starting anew"

case_begin "a session in which all passes leaves nothing; an old one's results are replaced"
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: a, command: [sh, -c, "exit $X"], runs: 2}]
YAML
X=0 run rrtest run suite.yaml
expect_status 0
expect_no_file rrtest-out
X=1 run rrtest run suite.yaml
expect_status 1
expect grep -q '"failed"' rrtest-out/results.json
X=0 run rrtest run suite.yaml
expect_status 0
expect grep -q '"passed"' rrtest-out/results.json

case_begin "what failed last time comes first, then what changed"
for name in a b c; do
    printf '#!/bin/sh\nsleep 0.2\nexit 0\n' >$name.sh
    chmod +x $name.sh
done
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 1, strategy: round-robin, clock: real}
tests:
  - {name: a, command: [./a.sh]}
  - {name: b, command: [./b.sh]}
  - {name: c, command: [./c.sh]}
YAML
echo 'exit 1' >c.sh
sed -i '1i #!/bin/sh' c.sh
run rrtest run suite.yaml --jobs 1
expect_status 1
echo '#!/bin/sh' >c.sh
touch -d '1 minute ago' a.sh
sleep 0.1
touch b.sh
run rrtest run suite.yaml --jobs 1 --report json=r.json --time-budget 300ms
expect_stdout_matches '^ok +c'
expect_stdout_matches '^(part|skip) +a'

case_begin "the quota of kept traces: the first of each kind stays"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - name: many
    command: [sh, -c, "exit $((1 + $$ % 1)); true"]
    runs: 6
    keep_going: true
  - {name: other, command: [sh, -c, "exit 9"], runs: 3, keep_going: true}
YAML
run rrtest run suite.yaml --trace-quota 1K
expect_status 1
expect [ "$(find rrtest-out -name meta.json | wc -l)" = 2 ]
run rrtest run suite.yaml --trace-quota none
expect [ "$(find rrtest-out -name meta.json | wc -l)" -gt 2 ]

finish
