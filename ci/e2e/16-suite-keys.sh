#!/bin/bash
# What the keys of a suite do on real programs: matrices, includes, files, stdin, setup and teardown, skips,
# labels, expectations; and check, --list, --dry-run.
. "$(dirname "$0")/lib.sh"

# nobody NAME: no process of that name is left.
nobody() {
    ! pgrep -x "$1" >/dev/null
}

case_begin "a matrix makes a test of each combination that is not excluded, values put in"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 2, timeout: 20s}
tests:
  - name: q
    matrix: {N: ["1", "4"], mode: [fast, s/low], exclude: [{N: "4", mode: s/low}]}
    command: [sh, -c, "echo $N ${mode} $${N} $${HOME:+x}", "${N}"]
    env: {N: "n${N}", "V_${N}": x}
    expect: {stdout_exact: "n${N} ${mode} n${N} x\n"}
    labels: ["${mode}"]
YAML
run rrtest run suite.yaml --keep all
expect_status 0
expect_stdout_has "3 passed, 0 failed; 6 runs"
expect_file "rrtest-out/q[N=1,mode=fast]"
run rrtest run suite.yaml --list
expect_stdout "q[N=1,mode=fast]  (fast)
q[N=1,mode=s_low]  (s/low)
q[N=4,mode=fast]  (fast)"
run rrtest run suite.yaml --filter 'q[N=4,mode=fast]'
expect_stdout_has "1 passed, 0 failed; 2 runs"

case_begin "the command that repeats a failing combination finds it again"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 3, timeout: 20s}
tests: [{name: q, matrix: {N: [0, 3]}, command: [sh, -c, "exit ${N}"]}]
YAML
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "FAIL  q[N=3]"
rerun=$(sed -n 's/^ *rerun *[^ ]* //p' "$OUT")
eval "run rrtest $rerun"
expect_status 1
expect_stdout_has "exit 3, expected exit 0"

case_begin "labels choose"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 1, command: ["true"]}
tests: [{name: a, labels: [x, slow]}, {name: b, labels: [x]}, {name: c}]
YAML
run rrtest run suite.yaml --list --label x
expect_stdout "a  (x, slow)
b  (x)"
run rrtest run suite.yaml --list --label x --label '!slow'
expect_stdout "b  (x)"
run rrtest run suite.yaml --list --label '!x'
expect_stdout "c"
run rrtest run suite.yaml --label y
expect_status 2
expect_stderr_has "no test has the labels"
run rrtest run suite.yaml --list --json
expect_stdout_has '{"name": "a", "labels": ["x", "slow"], "suite": "suite.yaml", "line": 3, "runs": 1'
cp "$OUT" list.json
run python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["tests"]))' list.json
expect_stdout 3

case_begin "included suites: own defaults, paths relative to themselves; once each; errors name the file"
mkdir -p sub
printf '#!/bin/sh\necho mine\n' >sub/mine
chmod +x sub/mine
cat >suite.yaml <<'YAML'
version: 1
include: [sub/a.yaml, sub/b.yaml]
tests: [{name: own, command: ["true"], runs: 3}]
YAML
printf 'version: 1\ninclude: [b.yaml]\ndefaults: {runs: 2}\ntests: [{name: a, command: [./mine], expect: {stdout: mine}}]\n' >sub/a.yaml
printf 'version: 1\ntests: [{name: b, command: ["true"], runs: 1}]\n' >sub/b.yaml
run rrtest check suite.yaml
expect_stdout "suite.yaml: 3 tests, 6 runs"
run rrtest run suite.yaml --list
expect_stdout "b
a
own"
run rrtest run suite.yaml
expect_status 0
printf 'version: 1\ninclude: [../suite.yaml]\n' >sub/b.yaml
run rrtest check suite.yaml
expect_status 2
expect_stderr_has "sub/b.yaml:2:11: include: expected no cycle, but suite.yaml includes itself through other files"
printf 'version: 1\ntests: [{name: own, command: ["true"]}]\n' >sub/b.yaml
run rrtest run suite.yaml
expect_status 2
expect_stderr_has "suite.yaml:3:9: name: expected a unique name, got 'own' again (first on line 2 of sub/b.yaml)"

case_begin "each run has its own files, under one path, whatever the worker, and they are gone afterwards"
mkdir -p data/deep
echo one >data/deep/in.txt
ln -s deep/in.txt data/link
chmod 640 data/deep/in.txt
cat >suite.yaml <<'YAML'
version: 1
defaults: {timeout: 20s}
tests:
  - name: files
    runs: 12
    files: [data, ./suite.yaml, /etc/hostname]
    command: [sh, -c, "pwd; echo $PWD $RRTEST_FILES; ls; cat data/link; stat -c '%a %d %i %Y' data/deep/in.txt; echo more >>data/deep/in.txt; touch new; mkdir -m 0 locked"]
    expect: {stdout: "one\n640"}
  - name: elsewhere
    runs: 2
    files: [data]
    cwd: data
    command: [sh, -c, "cat deep/in.txt; cat $RRTEST_FILES/data/deep/in.txt; rm $RRTEST_FILES/data/deep/in.txt"]
    expect: {stdout_exact: "one\none\n"}
YAML
run rrtest run suite.yaml --filter files --runs 12 --run-seed 5 --jobs 3 --keep all
expect_status 0
expect_stdout_has "12 runs, 1 schedule, 1 output"
run cat rrtest-out/files/*/stdout
expect_stdout_has "/tmp/rrtest-run"
expect_stdout_has "hostname"
expect_stdout_lacks "more"
run rrtest run suite.yaml --filter elsewhere
expect_status 0
run cat data/deep/in.txt
expect_stdout "one"
run find /tmp/rrtest-run -mindepth 1
expect_stdout ""

case_begin "a run with files replays"
printf 'version: 1\ntests: [{name: a, files: [data], command: [sh, -c, "cat data; pwd"], runs: 1}]\n' >suite.yaml
echo text >data
run rrtest run suite.yaml --keep all
expect_status 0
rm data
run sh -c '"$0" replay --verify rrtest-out/a/*' "$RRTEST"
expect_status 0
expect_stdout "text
/tmp/rrtest-run"

case_begin "without the right to mount, runs with files work all the same"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    mkdir -m 777 place
    echo text >place/data
    printf 'version: 1\ntests: [{name: a, files: [data], command: [sh, -c, "cat data; pwd"], runs: 3, timeout: 30s, expect: {stdout_exact: "text\\n/tmp/rrtest-run\\n"}}]\n' >place/suite.yaml
    chmod 755 "$WORK" "$TMP"
    cp "$RRTEST" place/rrtest
    cd place || exit 99
    run setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$PWD" XDG_CACHE_HOME="$PWD/cache" XDG_DATA_HOME="$PWD/data-home" ./rrtest run suite.yaml
    if grep -q 'this machine cannot record' "$ERR"; then
        skip "no unprivileged recording here"
    fi
    expect_status 0
else
    skip "not root"
fi

case_begin "without mount namespaces runs with files work too, and say what they lack; no folder stays"
printf 'version: 1\ntests: [{name: a, files: [data], command: [sh, -c, "cat data; test $PWD = $RRTEST_FILES"], runs: 3, timeout: 30s, expect: {stdout_exact: "text\\n"}}]\n' >suite.yaml
echo text >data
if unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_mnt_namespaces' 2>/dev/null; then
    run unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_mnt_namespaces && "$0" run suite.yaml' "$RRTEST"
    if grep -q 'this machine cannot record' "$ERR"; then
        skip "no recording without namespaces here"
    fi
    expect_status 0
    expect_stderr_has "no mount namespace here"
    run sh -c 'ls -d /tmp/rrtest-run-* 2>/dev/null'
    expect_stdout ""
else
    skip "no user namespaces"
fi

case_begin "stdin from a text"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: a, runs: 2, command: [cat], stdin_text: "two\nlines\n", expect: {stdout_exact: "two\nlines\n"}}
  - {name: b, runs: 2, command: [cat], stdin_text: "", expect: {stdout_exact: ""}}
YAML
run rrtest run suite.yaml
expect_status 0

case_begin "setup and teardown: once per test, in order, around all runs; each: around each run"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - name: a
    runs: 3
    strategy: round-robin
    command: [sh, -c, "echo run"]
    env: {WHAT: it}
    setup: ["echo setup $WHAT >>log", [sh, -c, "echo second >>log"]]
    teardown: ["echo teardown >>log"]
    setup_each: ["echo before >>log"]
    teardown_each: ["echo after >>log"]
YAML
run rrtest run suite.yaml --jobs 1
expect_status 0
run sed -n '1,2p;$p' log
expect_stdout "setup it
second
teardown"
run grep -c before log
expect [ "$(cat "$OUT")" -ge 3 ]
run sh -c 'test "$(grep -c before log)" = "$(grep -c after log)"'
expect_status 0

case_begin "a failing setup is an error, which says what failed; no run is made; teardown is"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: a, command: [touch, ran], setup: ["true", "echo first; echo oops >&2; exit 3", "touch no"], teardown: [touch down]}
  - {name: b, command: ["true"], runs: 2}
YAML
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "ERR   a"
expect_stdout_has "setup: suite.yaml:3:54: 'echo first; echo oops >&2; exit 3': exit 3: first|oops"
expect_stdout_has "1 passed, 0 failed, 1 error"
expect_no_file ran
expect_no_file no
expect_file down

case_begin "a failing setup_each or teardown_each is the run's error; a failing program stays a failure"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 2, timeout: 20s}
tests:
  - {name: a, command: ["true"], setup_each: ["exit 4"]}
  - {name: b, command: ["true"], teardown_each: ["kill -9 $$"]}
  - {name: c, command: ["false"], teardown_each: ["exit 4"]}
  - {name: d, command: ["true"], setup_each: [[./helper]]}
YAML
printf '#!/bin/no-such-shell\n' >helper
chmod +x helper
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "setup_each: suite.yaml:4:47: 'exit 4': exit 4"
expect_stdout_has "killed by SIGKILL"
expect_stdout_has "exit 1, expected exit 0"
expect_stdout_has "cannot start it: No such file or directory"

case_begin "a failing teardown is told and fails the session"
printf 'version: 1\ntests: [{name: a, command: ["true"], runs: 1, teardown: ["exit 5"]}]\n' >suite.yaml
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "ERR   a  teardown: suite.yaml:2:58: 'exit 5': exit 5"

case_begin "what setup leaves running serves the runs and is ended after teardown, daemons too"
cp /bin/sleep rrtest-e2e-srv
cat >suite.yaml <<'YAML'
version: 1
tests:
  - name: a
    command: [sh, -c, "test -s pid"]
    runs: 3
    setup: ["(setsid ./rrtest-e2e-srv 1000 & echo $! >pid) >/dev/null 2>&1"]
    teardown: ["pgrep -x rrtest-e2e-srv"]
  - name: b
    command: ["true"]
    runs: 3
    setup_each: ["setsid ./rrtest-e2e-srv 1000 &"]
YAML
run rrtest run suite.yaml
expect_status 0
expect nobody rrtest-e2e-srv
expect nobody rrtest-keeper

case_begin "a setup that takes too long is killed with all it started"
cp /bin/sleep rrtest-e2e-slow
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: a, command: ["true"], setup: ["./rrtest-e2e-slow 1000 & ./rrtest-e2e-slow 1000"], setup_timeout: 300ms}]
YAML
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "still running after 300ms (setup_timeout)"
expect nobody rrtest-e2e-slow

case_begin "an interrupted setup ends at once, and so does what it started when rrtest is killed"
cp /bin/sleep rrtest-e2e-intr
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: a, command: ["true"], setup: ["./rrtest-e2e-intr 1000"]}]
YAML
for signal in TERM KILL; do
    "$RRTEST" run suite.yaml >"$OUT" 2>"$ERR" </dev/null & # a shell's background job ignores SIGINT
    pid=$!
    wait_until 20 pgrep -x rrtest-e2e-intr >/dev/null
    kill -$signal $pid
    wait $pid 2>/dev/null
    STATUS=$?
    expect_status "$([ $signal = TERM ] && echo 143 || echo 137)"
    wait_until 10 nobody rrtest-e2e-intr
    expect nobody rrtest-e2e-intr
done

case_begin "skips, with and without conditions, need no program"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 1}
tests:
  - {name: a, command: [no-such-program], skip: later}
  - {name: b, command: ["true"], skip: {reason: x, unless_exists: here, unless_program: sh}}
  - {name: c, command: [no-such-program], skip: {reason: x, unless_program: no-such-program}}
  - {name: d, command: [no-such-program], skip: {reason: x, unless_exists: there}}
YAML
touch here
run rrtest check suite.yaml
expect_status 0
expect_stdout "suite.yaml: 4 tests, 1 run"
run rrtest run suite.yaml
expect_status 0
expect_stdout_has "1 passed, 0 failed"
rm here
run rrtest run suite.yaml --dry-run
expect_stdout_has "skip   b"

case_begin "expectations: lists of statuses, any, nonzero; what must not occur"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 1, timeout: 20s}
tests:
  - {name: a, command: [sh, -c, "exit 3"], expect: {exit: [0, 3]}}
  - {name: b, command: [sh, -c, "exit 9"], expect: {exit: any}}
  - {name: c, command: [sh, -c, "exit 9"], expect: {exit: nonzero, stdout_not: [x, y], stderr_not: x}}
  - {name: d, command: [sh, -c, "exit 4"], expect: {exit: [0, 3]}}
  - {name: e, command: ["true"], expect: {exit: nonzero}}
  - {name: f, command: [echo, "a leak"], expect: {stdout_not: [x, leak]}}
YAML
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "3 passed, 3 failed"
expect_stdout_has "exit 4, expected exit 0 or 3"
expect_stdout_has "exit 0, expected an exit status other than 0"
expect_stdout_has "stdout has 'leak', which must not occur"

case_begin "a quarantined failure does not count until its date, another signature's does"
cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 1, command: ["false"]}
tests:
  - {name: any, quarantine: {reason: known bug, until: 9998-12-31}}
  - {name: over, quarantine: {reason: old bug, until: 2001-12-31}}
  - {name: other, quarantine: {reason: other bug, until: 9998-12-31, signature: "0123456789abcdef"}}
YAML
run rrtest check suite.yaml
expect_status 0
run rrtest run suite.yaml --filter any
expect_status 0
expect_stdout_has "quarantined until 9998-12-31: known bug"
run rrtest run suite.yaml --filter over
expect_status 1
expect_stdout_has "the quarantine expired on 2001-12-31: old bug"
run rrtest run suite.yaml --filter other
expect_status 1
signature=$(python3 -c 'import json; print(json.load(open("rrtest-out/results.json"))["tests"][0]["failures"][0]["signature"])')
sed -i "s/0123456789abcdef/$signature/" suite.yaml
run rrtest run suite.yaml --filter other
expect_status 0

case_begin "keep_going is the test's own"
printf 'version: 1\ndefaults: {runs: 5, command: ["false"]}\ntests: [{name: a, keep_going: true}, {name: b}]\n' >suite.yaml
run rrtest run suite.yaml
expect_status 1
expect_stdout_has "FAIL  a  5 of 5 runs"
expect_stdout_has "FAIL  b  found in run 1 of 5"

case_begin "check tells every problem it can find"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: a, comand: [x]}
  - {name: b, command: [no-such-program], setup: [[no-such-helper]]}
  - {name: c, command: ["true"], files: [nowhere]}
  - {name: d, command: ["true"], matrix: {A: [1]}, env: {B: "${C}"}}
  - {name: e, command: ["true"]}
YAML
run rrtest check suite.yaml
expect_status 2
expect_stdout ""
expect_stderr_has "suite.yaml:3:15: unknown key 'comand' in tests; did you mean 'command'?"
expect_stderr_has "suite.yaml:4:25: command: expected a program"
expect_stderr_has "suite.yaml:5:42: files: expected a readable file or folder"
expect_stderr_has "suite.yaml:6:61: B: unknown variable '\${C}'"
expect [ "$(wc -l <"$ERR")" = 4 ]
run rrtest check nowhere.yaml
expect_status 2

case_begin "dry run: what would be run, and nothing is"
printf 'version: 1\ntests: [{name: a, command: [touch, ran], runs: 7, setup: ["touch set"]}]\n' >suite.yaml
run rrtest run suite.yaml --dry-run --seed 3
expect_status 0
expect_stdout_matches '^run +a$'
expect_stdout_has "command   touch ran"
expect_stdout_has "runs      7"
expect_stdout_has "round-robin"
seed=$(sed -n 's/.*run 2: seed \([0-9]*\),.*/\1/p' "$OUT")
expect_no_file ran
expect_no_file set
run rrtest run suite.yaml --seed 3 --keep all
expect_file "rrtest-out/a/$seed"

case_begin "misspelt options, commands and values get the nearest one"
run rrtest run --jbos 3 suite.yaml
expect_stderr_has "unknown option '--jbos'; did you mean '--jobs'?"
run rrtest chekc suite.yaml
expect_stderr_has "did you mean 'check'?"
run rrtest run --strategy randmo suite.yaml
expect_stderr_has "did you mean 'random'?"
printf 'version: 1\ntests: [{name: a, command: ["true"], patching: sttaic}]\n' >suite.yaml
run rrtest run suite.yaml
expect_stderr_has "suite.yaml:2:48: patching: expected static, lazy or off, got 'sttaic'; did you mean 'static'?"

finish
