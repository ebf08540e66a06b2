#!/bin/bash
# What happens to a session at bad moments and in bad places: interruptions in set-up, in calibration, in
# teardown, of single workers; damaged journals; readers that go away; CI engines' variables.
. "$(dirname "$0")/lib.sh"

COMPARE=$E2E/projects/same-results

# Start a session in the background, its output in $OUT and $ERR; $pid is it.
start() {
    LAST="$* (interrupted)"
    "$RRTEST" "$@" >"$OUT" 2>"$ERR" </dev/null &
    pid=$!
}

stop() {
    kill -"$1" "$pid"
    wait "$pid" 2>/dev/null
    STATUS=$?
}

workers() {
    pgrep -P "$pid"
}

case_begin "interrupted in its set-up, a test is unfinished, and goes on"
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: slow, command: ["true"], runs: 2, setup: ["touch begun; sleep 1"], teardown: ["touch torn"]}]
YAML
start run suite.yaml
wait_until 20 test -e begun
stop TERM
expect_status 143
expect_stdout_has "0 passed, 0 failed, 1 unfinished (interrupted)"
expect_file torn
rm -f torn
run sh -c "$(sed -n 's/^go on with: //p' "$OUT")"
expect_status 0
expect_stdout_has "2 runs"
expect_file torn

case_begin "interrupted in the run that measures its length, a session finds the same"
cat >suite.yaml <<YAML
version: 1
defaults: {clock: real, strategy: random, runs: 40, keep_going: true}
tests: [{name: a, command: [sh, -c, "[ ! -e slow ] || sleep 2; exec $SCENARIOS/lost_update"]}]
YAML
run rrtest run suite.yaml --seed 3 --out whole --report json=whole.json
expect_status 1
touch slow
start run suite.yaml --seed 3 --out cut --jobs 1
wait_until 20 test -s cut/session.journal
sleep 0.7
stop TERM
expect_status 143
rm slow
run rrtest run suite.yaml --seed 3 --out cut --resume --report json=cut.json
expect_status 1
expect_stderr_lacks "starting anew"
run python3 "$COMPARE" whole.json cut.json
expect_status 0

case_begin "a failing teardown is told in the session that goes on"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: down, command: ["true"], runs: 1, strategy: round-robin, teardown: ["touch torn; exit 4"]}
  - {name: slow, command: [sleep, "1.5"], clock: real, runs: 1, strategy: round-robin}
YAML
start run suite.yaml --seed 3 --jobs 2
wait_until 20 test -e torn
sleep 0.5
stop KILL
expect_file rrtest-out/session.journal
rm -f torn
run rrtest run suite.yaml --seed 3 --resume
expect_status 1
expect_stdout_has "found  teardown, after the last run"
expect_stdout_has "1 passed, 0 failed, 1 error"
expect_no_file torn

case_begin "the command printed for a failing set-up or teardown repeats it"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: "up[x='y z']", command: ["true"], setup: ["exit 3"]}
  - {name: down, command: ["true"], runs: 5, teardown: ["exit 4"]}
  - {name: both, command: ["false"], runs: 5, teardown: ["exit 5"]}
YAML
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "found  setup, before the first run"
expect_stdout_has "found in run 1 of 5"
expect_stdout_lacks "run 0"
sed -n 's/^ *rerun *//p' "$OUT" >commands
expect [ "$(grep -c -- '--runs 1' commands)" = 3 ]
expect [ "$(grep -c -- '--run-seed' commands)" = 1 ]
while read -r command; do
    run sh -c "$command"
    expect_status 1
    expect_stdout_matches '^0 passed, [01] failed'
done <commands

case_begin "--until-failure tears down what it set up"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: a, command: ["false"], runs: 2, teardown: ["touch torn-a"]}
  - {name: b, command: ["true"], runs: 2, teardown: ["touch torn-b"]}
YAML
run rrtest run suite.yaml --until-failure --jobs 2
expect_status 1
expect_file torn-a
expect_file torn-b

case_begin "a test is torn down before others begin: what it set up is in their way"
cat >suite.yaml <<'YAML'
version: 1
defaults: {command: ["true"], runs: 3, setup: ["mkdir taken"], teardown: ["rmdir taken"]}
tests: [{name: a}, {name: b}, {name: c}]
YAML
run rrtest run suite.yaml --jobs 1
expect_status 0

case_begin "a worker that is killed loses its run, not the session"
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: a, command: [sleep, "0.3"], clock: real, runs: 12, strategy: round-robin, keep_going: true}]
YAML
start run suite.yaml --jobs 2
wait_until 20 workers >/dev/null
sleep 0.7
kill -KILL "$(workers | head -n 1)"
wait "$pid"
STATUS=$?
expect_status 1
expect_stdout_has "the recorder was killed by SIGKILL during this run"
expect_stdout_has "1 of 12 runs"

case_begin "a session whose own process is killed leaves no process behind"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: a, command: [sleep, "97.531"], clock: real, timeout: none, runs: 1, strategy: round-robin,
     setup: ["touch begun; sleep 97.532 >/dev/null 2>&1 & exit 0"]}
YAML
start run suite.yaml
wait_until 20 pgrep -f '^sleep 97.531' >/dev/null
stop KILL
expect wait_until 10 sh -c "! pgrep -f '^sleep 97[.]53' >/dev/null"

case_begin "a damaged journal is refused"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: quick, command: ["true"], runs: 20, strategy: round-robin}
  - {name: slow, command: [sleep, "30"], clock: real, timeout: none, runs: 1, strategy: round-robin}
YAML
start run suite.yaml --seed 3 --jobs 1
wait_until 20 pgrep -P "$(workers | head -n 1)" -f 'sleep' >/dev/null
stop KILL
for at in 100 4160 5000; do # the seed and options, the counts of a test
    cp rrtest-out/session.journal saved
    printf '\125\252\125\252\125\252\125\252' | dd of=rrtest-out/session.journal bs=1 seek=$at conv=notrunc 2>/dev/null
    run timeout 5 "$RRTEST" run suite.yaml --resume --filter quick
    cp saved rrtest-out/session.journal
done
run timeout 20 "$RRTEST" run suite.yaml --resume --filter quick
expect_status 2
expect_stderr_has "the options was none"
printf '\125\252' | dd of=rrtest-out/session.journal bs=1 seek=90 conv=notrunc 2>/dev/null
run rrtest run suite.yaml --resume
expect_status 2
expect_stderr_has "session.journal is damaged; run without --resume to start anew"

case_begin "a set-up or a signal that was edited is another suite"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: a, command: [sleep, "30"], clock: real, timeout: none, runs: 1, strategy: round-robin,
     setup: ["true"], inject: [{signal: SIGUSR1, at: futex}]}
YAML
cp suite.yaml original.yaml
start run suite.yaml --seed 3
wait_until 20 test -s rrtest-out/session.journal
sleep 0.3
stop KILL
for edit in 's/"true"/"false"/' 's/USR1/USR2/' 's/runs: 1/runs: 1, setup_timeout: 3s/'; do
    sed "$edit" original.yaml >suite.yaml
    run rrtest run suite.yaml --seed 3 --resume
    expect_status 2
    expect_stderr_has "the suite was another one"
done

case_begin "reports are written though nobody reads stdout"
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: a, command: ["false"], runs: 2}]
YAML
LAST="rrtest run | true"
"$RRTEST" run suite.yaml --report json=r.json 2>"$ERR" | true
STATUS=${PIPESTATUS[0]}
expect_status 141
expect_stderr_empty
expect grep -q '"failed"' r.json
LAST="rrtest run >/dev/full"
"$RRTEST" run suite.yaml --report json=full.json 2>"$ERR" >/dev/full
STATUS=$?
expect_status 1
expect_stderr_has "cannot write to stdout: No space left on device"
expect grep -q '"failed"' full.json

case_begin "a test's own seed is what --seed does not change: the printed command repeats the session"
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: a, command: [sh, -c, "exit 1"], seed: 7, runs: 2}, {name: b, command: [sh, -c, "exit 1"], runs: 2}]
YAML
run rrtest run suite.yaml --report json=one.json
seed=$(sed -n 's/.*; --seed //p' "$OUT")
run rrtest run suite.yaml --seed "$seed" --report json=two.json
run python3 "$COMPARE" one.json two.json
expect_status 0

case_begin "CI engines' variables do not reach the program: shards make the runs of the whole"
cat >suite.yaml <<'YAML'
version: 1
defaults: {strategy: round-robin, runs: 3}
tests:
  - {name: a, command: [sh, -c, "env | sort | grep -E 'CI|GITHUB|SLURM|SHARD|BUILDKITE|RUNNER|JOB|HOSTNAME'; exit 1"]}
  - {name: b, command: [sh, -c, "env | wc -c; exit 1"], env: {CI_NODE_INDEX: mine}}
  - {name: c, command: [sh, -c, "echo $CI_NODE_INDEX; exit 1"], env: {CI_NODE_INDEX: mine}}
YAML
run rrtest run suite.yaml --seed 2 --report json=whole.json
parts=()
for i in 1 2 3; do
    long=$(printf "%${i}00s" x)
    run env CI=true CI_NODE_INDEX=$i CI_NODE_TOTAL=3 CI_JOB_ID="$long" SLURM_ARRAY_TASK_ID="$long" \
        JOB_COMPLETION_INDEX=$i$i$i TEST_SHARD_STATUS_FILE="$PWD/$i" GITHUB_RUN_ID=$i$i$i$i GITHUB_ENV="$long" \
        BUILDKITE_PARALLEL_JOB="$i$i" RUNNER_NAME="$long" RRTEST_SHARD_X="$long" HOSTNAME="$long" CIRCLE_JOB="$long" \
        "$RRTEST" run suite.yaml --seed 2 --shard $i/3 --out "out-$i"
    expect_status 1
    expect_file "out-$i/results.json"
    parts+=("out-$i")
done
run rrtest merge "${parts[@]}" -o merged
expect_status 1
expect_stdout_has "|      mine"
expect_stdout_lacks "SLURM"
run python3 - whole.json merged/results.json <<'PY'
import json, sys
a, b = ([(t["name"], t["failures"][0]["signature"], t["failures"][0]["output"].replace("CI=true\n", ""))
         for t in json.load(open(p))["tests"]] for p in sys.argv[1:3])
sys.exit(0 if [x[:2] for x in a] == [x[:2] for x in b] and a[2] == b[2] else f"{a}\n{b}")
PY
expect_status 0

finish
