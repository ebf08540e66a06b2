#!/bin/bash
# `rrtest run`: what it prints, what it keeps, that the printed commands work, and its options.
. "$(dirname "$0")/lib.sh"

# A race that round-robin passes and random schedules find; its twin; a test of plain output.
write_suite() {
    cat >suite.yaml <<YAML
version: 1
search: ["$SCENARIOS"]
defaults: {runs: 200, timeout: 60s}
tests:
  - name: lost-update
    command: [lost_update]
  - name: fixed
    command: [lost_update_fixed]
    runs: 20
  - name: output
    command: [sh, -c, "echo out; echo err >&2; exit 3"]
    runs: 3
    expect: {exit: 3, stdout_exact: "out\n", stderr: err}
YAML
}

# The command behind a label in the report of the last run.
printed() {
    sed -n "s/^ *$1 *//p" "$OUT" | head -n 1
}

case_begin "failing tests: status 1, the run is named, its trace is kept, the commands work"
write_suite
run rrtest run suite.yaml --seed 1
expect_status 1
expect_stdout_matches '^FAIL +lost-update +found in run [0-9]+ of 200$'
expect_stdout_matches '^ok +fixed +20 runs, '
expect_stdout_matches '^ok +output +3 runs, '
expect_stdout_matches '^2 passed, 1 failed; [0-9]+ runs in .*; --seed 1$'
expect_stderr_empty
replay=$(printed replay)
rerun=$(printed rerun)
trace=${replay##* }
expect_file "$trace/events.zst"
expect_file "$trace/meta.json"
expect_file "$trace/stdout"
expect_file "$trace/stderr"
expect [ "$(find rrtest-out -name events.zst | wc -l)" = 1 ]
run sh -c "$replay"
expect_status 1
expect_same "$trace/stdout" "$OUT"
expect_same "$trace/stderr" "$ERR"
run sh -c "$rerun"
expect_status 1
expect_stdout_has "FAIL  lost-update"
expect_stdout_has "1 of 1 run, 1 schedule, 1 output"

case_begin "passing runs leave nothing behind"
write_suite
run rrtest run suite.yaml --filter fixed # makes what stays: the cache, the mount point of TMPDIR
entries() {
    ls -A . "$XDG_DATA_HOME" "$XDG_CACHE_HOME/rrtest" 2>&1
    find /tmp -maxdepth 1 -name 'rrtest*' ! -name 'rrtest-e2e*' | sort
}
entries >"$WORK/before"
run rrtest run suite.yaml --filter fixed
expect_status 0
expect_no_file rrtest-out
entries >"$WORK/after"
expect_same "$WORK/before" "$WORK/after"

case_begin "a bug is found in the same run whatever the number of workers"
write_suite
for jobs in 1 2 5; do
    run rrtest run suite.yaml --seed 3 --jobs "$jobs" --filter lost-update --keep none
    expect_status 1
    grep 'found in run' "$OUT" >"found.$jobs"
    expect_same found.1 "found.$jobs"
done

case_begin "--run-seed with --runs is the same-seed check"
write_suite
run rrtest run suite.yaml --filter fixed --run-seed 77 --runs 20
expect_status 0
expect_stdout_has "20 runs, 1 schedule, 1 output"

case_begin "different seeds give different schedules (negative control)"
write_suite
run rrtest run suite.yaml --filter fixed --runs 20 --strategy random
expect_status 0
expect_stdout_lacks "20 runs, 1 schedule"

case_begin "round-robin knows one schedule"
write_suite
run rrtest run suite.yaml --filter fixed --runs 20 --strategy round-robin
expect_stdout_has "20 runs, 1 schedule, 1 output"

case_begin "a drawn seed is printed and repeats the session"
write_suite
run rrtest run suite.yaml --filter lost-update --keep none
expect_status 1
seed=$(sed -n 's/.*--seed //p' "$OUT")
grep 'found in run' "$OUT" >first
run rrtest run suite.yaml --filter lost-update --keep none --seed "$seed"
grep 'found in run' "$OUT" >second
expect_same first second

case_begin "--keep-going makes all runs and keeps at most three traces"
write_suite
run rrtest run suite.yaml --seed 1 --filter lost-update --keep-going --runs 100
expect_status 1
expect_stdout_matches '^FAIL +lost-update +[0-9]+ of 100 runs, '
expect [ "$(find rrtest-out -name events.zst | wc -l)" = 3 ]

case_begin "--keep none, --keep all, --out"
write_suite
run rrtest run suite.yaml --filter lost-update --keep none
expect_status 1
expect_no_file rrtest-out
run rrtest run suite.yaml --filter output --keep all --out 'kept here'
expect_status 0
expect [ "$(find 'kept here/output' -name events.zst | wc -l)" = 3 ]
expect [ "$(cat 'kept here'/output/*/stdout | sort -u)" = out ]
run rrtest run suite.yaml --filter lost-update --out 'kept here'
run sh -c "$(printed replay)"
expect_status 1

case_begin "a later session with the same seed replaces the kept trace"
write_suite
for _ in 1 2; do
    run rrtest run suite.yaml --seed 1 --filter lost-update
    expect_status 1
    expect_stdout_lacks "could not keep"
    expect [ "$(find rrtest-out -mindepth 2 -maxdepth 2 | wc -l)" = 1 ]
done

case_begin "--until-failure goes round until it finds something"
write_suite
run rrtest run suite.yaml --seed 1 --filter 'lost-update' --runs 1 --until-failure
expect_status 1
expect_stdout_matches 'found in run [0-9]+ of'

case_begin "--time-budget ends in time and says what is unfinished"
write_suite
SECONDS=0
run rrtest run suite.yaml --filter fixed --runs 1000000 --time-budget 1s
expect_status 0
expect [ "$SECONDS" -le 5 ]
expect_stdout_matches '^part +fixed +[0-9]+ of 1000000 runs.* \(time budget\); '
expect_stdout_has "1 unfinished (time budget)"

case_begin "--quiet prints failures alone"
write_suite
run rrtest run suite.yaml --quiet --filter fixed
expect_status 0
expect_stdout ""
expect_stderr_empty
run rrtest run suite.yaml --quiet --keep none
expect_status 1
expect_stdout_has "FAIL  lost-update"
expect_stdout_lacks "fixed  "

case_begin "--filter takes a pattern"
write_suite
run rrtest run suite.yaml --filter '[fo]*' --runs 1
expect_status 0
expect_stdout_has fixed
expect_stdout_has output
expect_stdout_lacks lost-update

case_begin "expectations that do not hold are named"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 1, command: [sh, -c, "echo out; echo err >&2; exit 3"]}
tests:
  - {name: exit, expect: {exit: 0}}
  - {name: contains, expect: {exit: 3, stdout: other}}
  - {name: exact, expect: {exit: 3, stdout_exact: out}}
  - {name: regex, expect: {exit: 3, stderr_regex: '^x'}}
  - {name: signal, expect: {signal: SIGSEGV}}
  - {name: killed, command: [sh, -c, 'kill -SEGV $$'], expect: {exit: 0}}
  - {name: good, expect: {exit: 3, stdout: ou, stderr_regex: '^e.r$'}}
YAML
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "exit 3, expected exit 0"
expect_stdout_has "stdout lacks 'other'"
expect_stdout_has "stdout is not exactly 'out'"
expect_stdout_has "stderr does not match '^x'"
expect_stdout_has "exit 3, expected to be killed by SIGSEGV"
expect_stdout_matches "killed by SIGSEGV in task 0 \(.*\), expected exit 0"
expect_stdout_matches '^ok +good'
expect_stdout_has "1 passed, 6 failed"

case_begin "env, cwd and stdin of a test"
mkdir sub
echo input >input
cat >suite.yaml <<'YAML'
version: 1
defaults: {env: {A: 1, B: 2}, runs: 1}
tests:
  - name: environment
    command: [sh, -c, 'echo "$A $B $C"; pwd; cat']
    env: {B: 3, C: 4}
    cwd: sub
    stdin: input
    expect: {stdout_regex: '^1 3 4$'}
  - {name: directory, command: [pwd], cwd: sub, expect: {stdout_regex: '/tmp/sub$'}}
  - {name: stdin, command: [cat], stdin: input, expect: {stdout_exact: "input\n"}}
  - {name: no-stdin, command: [cat], expect: {stdout_exact: ""}}
YAML
echo "not for you" >ours
LAST="rrtest run suite.yaml <ours"
"$RRTEST" run suite.yaml >"$OUT" 2>"$ERR" <ours
STATUS=$?
expect_status 0

case_begin "timeout ends a run that hangs, virtual_timeout one that sleeps"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 1, strategy: round-robin}
tests:
  - {name: busy, command: [sh, -c, "while :; do :; done"], timeout: 500ms}
  - {name: sleepy, command: [sleep, "1000"], virtual_timeout: 10s}
  - {name: rested, command: [sleep, "1000"], timeout: 20s}
YAML
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "timeout: still running after 500ms"
expect_stdout_has "virtual timeout: still running after 10.0s of virtual time"
expect_stdout_matches '^ok +rested'

case_begin "a deadlock is found at once and told with every thread"
cat >suite.yaml <<YAML
version: 1
tests:
  - {name: abba, command: ["$SCENARIOS/abba_deadlock"], runs: 500, timeout: none}
YAML
run rrtest run suite.yaml --seed 1
expect_status 1
expect_stdout_has "deadlock"
expect_stdout_has "task 0 "
expect_stdout_has "task 0.1 "
expect_stdout_has "transfer ($ROOT/scenarios/abba_deadlock.c:"
expect_stdout_has "futex"

case_begin "inject: a signal arrives, and only where asked for"
cat >suite.yaml <<YAML
version: 1
defaults:
  runs: 10
  command: [sh, -c, "trap 'exit 7' USR1; i=0; while [ \$i -lt 200 ]; do i=\$((i+1)); /bin/true; done"]
tests:
  - {name: with, inject: [{signal: SIGUSR1, at: wait4, probability: 1, limit: 1}], expect: {exit: 7}}
  - {name: without, expect: {exit: 0}, runs: 2}
YAML
run rrtest run suite.yaml
expect_status 0

case_begin "inject: a signal into every wait keeps no child from running"
cat >suite.yaml <<YAML
version: 1
defaults:
  runs: 10
  strategy: random
  timeout: 10s
  inject: [{signal: SIGUSR1, at: wait4, probability: 1}]
  expect: {exit: 0, stdout: "a\\n"}
tests:
  - {name: dash, command: [dash, -c, "trap 'echo t >&2' USR1; /bin/true; echo a"]}
  - {name: bash, command: [bash, -c, "trap 'echo t >&2' USR1; /bin/true; echo a"]}
YAML
run rrtest run suite.yaml --seed 1
expect_status 0

case_begin "a progress line on a terminal, none elsewhere, and NO_COLOR"
write_suite
LAST="script rrtest run"
run script -qec "'$RRTEST' run suite.yaml --filter fixed --runs 300" /dev/null
expect_status 0
expect grep -q "$(printf '\033\\[32mok')" "$OUT"
expect grep -q "$(printf '\r\033\\[K')" "$OUT"
run env NO_COLOR=1 script -qec "'$RRTEST' run suite.yaml --filter fixed --runs 3" /dev/null
expect_status 0
expect [ "$(grep -c "$(printf '\033\\[32m')" "$OUT")" = 0 ]
run rrtest run suite.yaml --filter fixed --runs 3
expect [ "$(grep -c "$(printf '\033')" "$OUT")" = 0 ]

finish
