#!/bin/bash
# Reports, as others read them: each format is parsed or validated by a tool that is not ours, and what it
# sees is compared with results.json. The models come from reports/tests/fixture.c; shards are joined; bad
# input and files that cannot be written are told.
. "$(dirname "$0")/lib.sh"

FIXTURE=$BUILD/reports/reports_fixture
export NODE_PATH=$ROOT/build/node_modules
node=$(. "$ROOT/ci/lib.sh" && lock && node_modules >&2 && echo ready)
unset GITHUB_STEP_SUMMARY GITHUB_WORKSPACE

consumed() {
    run node "$E2E/consumers.cjs" "$@"
}

needs_node() {
    [ "$node" = ready ] || skip "the packages of ci/node/package.json cannot be had"
}

# model NAME: $TMP/NAME.json
model() {
    "$FIXTURE" "$1" >"$1.json" || fail "no model $1"
}

for name in rich empty many passing; do
    case_begin "JSON of a session ($name) fits scenarios/results.schema.json"
    needs_node
    model $name
    consumed schema "$ROOT/scenarios/results.schema.json" $name.json
    expect_status 0
    run rrtest report $name.json --report json=again.json
    expect_same $name.json again.json
done

case_begin "negative control: a key that the schema lacks, or that is missing, is found"
needs_node
model rich
python3 - <<'PY'
import json
rich = json.load(open("rich.json"))
rich["tests"][1]["failures"][1]["colour"] = "red"
json.dump(rich, open("more.json", "w"))
del rich["tests"][1]["failures"][1]["colour"], rich["tests"][1]["failures"][1]["stacks"][0]["state"]
json.dump(rich, open("less.json", "w"))
PY
consumed schema "$ROOT/scenarios/results.schema.json" more.json
expect_status 1
expect_stderr_has "must NOT have additional properties"
consumed schema "$ROOT/scenarios/results.schema.json" less.json
expect_status 1
expect_stderr_has "must have required property 'state'"
run rrtest report more.json
expect_status 2
expect_stderr_has "more.json: tests[1].failures[1].colour: expected no such key"
run rrtest report less.json
expect_status 2
expect_stderr_has "less.json: tests[1].failures[1].stacks[0].state: expected a string, got nothing"

for name in rich empty many passing; do
    case_begin "JUnit XML ($name): the schema, and junitparser"
    model $name
    run rrtest report $name.json --report junit=junit.xml
    run xmllint --noout --schema "$E2E/schemas/junit.xsd" junit.xml
    expect_status 0
    run /usr/bin/python3 "$E2E/consumers.py" junit $name.json junit.xml
    expect_status 0
done

case_begin "negative control: XML that says something else is found"
model rich
run rrtest report rich.json --report junit=junit.xml
sed 's/time="\([0-9]*\)\.[0-9]*"/time="\1"/' junit.xml >other.xml
run xmllint --noout --schema "$E2E/schemas/junit.xsd" other.xml
expect_status 3
sed 's/<failure message="killed, 100/<failure message="killed, 99/' junit.xml >other.xml
run /usr/bin/python3 "$E2E/consumers.py" junit rich.json other.xml
expect_status 1

for name in rich empty many passing; do
    case_begin "TAP ($name): tap-parser reads version 14, prove version 13"
    model $name
    run rrtest report $name.json --report tap=out.tap --report tap13=out13.tap
    expect grep -qx 'TAP version 14' out.tap
    run prove --exec cat out13.tap
    case $name in
    rich) expect_status 1; expect_stdout_has "Failed 2/7 subtests" ;;
    many) expect_status 1; expect_stdout_has "Failed 43/300 subtests" ;;
    passing) expect_status 0; expect_stdout_has "Tests=2" ;;
    empty) expect_status 0; expect_stdout_has "skipped: no tests" ;;
    esac
    needs_node
    consumed tap $name.json out.tap
    expect_status 0
done

case_begin "negative control: TAP with one test fewer, and one that passes, is found"
needs_node
model rich
run rrtest report rich.json --report tap=out.tap
sed '/^ok 7/d' out.tap >other.tap
consumed tap rich.json other.tap
expect_status 1
sed 's/^not ok 3/ok 3/' out.tap >other.tap
consumed tap rich.json other.tap
expect_status 1

for name in rich empty many passing; do
    case_begin "SARIF ($name): the schema of SARIF 2.1.0"
    needs_node
    model $name
    run rrtest report $name.json --report sarif=out.sarif
    consumed sarif out.sarif
    expect_status 0
done

case_begin "negative control: SARIF with a level that does not exist, and with a line 0, is found"
needs_node
model rich
run rrtest report rich.json --report sarif=out.sarif
sed 's/"level": "error"/"level": "fatal"/' out.sarif >other.sarif
consumed sarif other.sarif
expect_status 1
sed 's/"startLine": 41/"startLine": 0/' out.sarif >other.sarif
consumed sarif other.sarif
expect_status 1

case_begin "SARIF: places, fingerprints, suppressions, stacks"
model rich
sed -i "s|/usr/src/app/main.c|$PWD/app/main.c|; s|src/queue c,d:e.cc|/else where/100%.cc|" rich.json
run rrtest report rich.json --report sarif=out.sarif
cat >look.py <<'PY'
import json
run = json.load(open("out.sarif"))["runs"][0]
results = run["results"]
by_rule = {r["ruleId"]: r for r in results}
assert len(results) == 13, len(results)
assert len({r["id"] for r in run["tool"]["driver"]["rules"]}) == 11
signal = by_rule["rrtest/signal"]
place = signal["locations"][0]["physicalLocation"]
assert place["artifactLocation"] == {"uri": "file:///else%20where/100%25.cc"}, place
assert place["region"] == {"startLine": 41, "startColumn": 7}, place
assert signal["partialFingerprints"] == {"rrtestSignature/v1": "00000000000000a1"}
assert signal["occurrenceCount"] == 31
assert len(signal["stacks"]) == 12 and len(signal["stacks"][0]["frames"]) == 4
flows = signal["codeFlows"][0]["threadFlows"]
assert len(flows) == 12
main = flows[0]["locations"][0]["location"]["physicalLocation"]["artifactLocation"]
assert main == {"uri": "app/main.c", "uriBaseId": "%SRCROOT%"}, main
known = [r for r in results if "suppressions" in r]
assert len(known) == 1 and known[0]["ruleId"] == "rrtest/deadlock"
fallback = by_rule["rrtest/exit"]["locations"][0]["physicalLocation"]
assert fallback["artifactLocation"]["uri"] == "tests/suite.yaml" and fallback["region"]["startLine"] == 7
assert run["invocations"][0]["startTimeUtc"] == "2025-12-31T23:59:59.123Z"
PY
run python3 look.py
expect_status 0

case_begin "a hunt without a suite: each result lies somewhere, and has a class"
run rrtest run --seed 7 --runs 40 --report sarif=out.sarif --report junit=junit.xml -- "$SCENARIOS/lost_update"
expect_status 1
expect grep -q 'classname="hunt"' junit.xml
cat >look.py <<'PY'
import json
results = json.load(open("out.sarif"))["runs"][0]["results"]
assert len(results) == 1
place = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
assert "lost_update" in place, place
PY
run python3 look.py
expect_status 0
needs_node
consumed sarif out.sarif
expect_status 0

for name in rich empty many; do
    case_begin "GitHub ($name): the runner's rules give back what went in; the summary is appended"
    model $name
    echo before >summary.md
    GITHUB_STEP_SUMMARY=summary.md run rrtest report $name.json --report github
    cp "$OUT" commands
    run /usr/bin/python3 "$E2E/consumers.py" github $name.json commands
    expect_status 0
    expect [ "$(head -n 1 summary.md)" = before ]
    tail -n +2 summary.md >appended.md
    run rrtest report $name.json --report markdown=out.md
    expect_same appended.md out.md
    expect [ "$(stat -c %s out.md)" -lt 1000000 ]
    needs_node
    consumed markdown $name.json out.md
    expect_status 0
done

case_begin "negative control: a colon that is not escaped is found"
model rich
run rrtest report rich.json --report github=commands
sed 's/%3A/:/' commands >other
run /usr/bin/python3 "$E2E/consumers.py" github rich.json other
expect_status 1

case_begin "places for GitHub are relative to its workspace"
model rich
sed -i "s|src/queue c,d:e.cc|/home/runner/work/a/a/src/../queue.cc|" rich.json
GITHUB_WORKSPACE=/home/runner/work/a/a run rrtest report rich.json --report github
expect_stdout_has "::error file=queue.cc,line=41,col=7,title="

case_begin "reports of one session in one go, folders made on the way, nothing else left behind"
model rich
umask 022
run rrtest report rich.json --report junit=a/b/junit.xml --report json=a/results.json --report tap=-
expect_status 1
expect [ "$(head -n 1 "$OUT")" = "TAP version 14" ]
expect [ "$(find . -type f | sort | tr '\n' ' ')" = "./a/b/junit.xml ./a/results.json ./rich.json " ]
expect [ "$(stat -c %a a/b/junit.xml)" = 644 ]
run rrtest report a --report console
expect_status 1
expect_stdout_has "1 passed, 1 failed, 1 error, 1 quarantined, 1 skipped, 2 unfinished (time budget); 812 runs"

# Everything that a program, a suite and a source tree can bring to break a report or a terminal.
hostile() {
    local source=$'src ]]>\e[31m"<b>,:%.c'

    cp "$E2E/hostile.c" "$source"
    cc -g -pthread -o $'run\e[31m' "$source" || fail "cannot compile"
    cat >suite.yaml <<'YAML'
version: 1
defaults: {runs: 2, timeout: 60s}
tests:
  - {name: "a]]><script>::error::%0A", command: ["./run\e[31m", "x\e[31m</script>\n`|"], labels: ["</script>]]>", "a::c"]}
  - {name: skipped, command: ["./run\e[31m"], skip: "because \e[31m]]></script>\n::error::x"}
  - {name: known, command: ["./run\e[31m"], quarantine: {until: 2999-01-01, reason: "\e[31m]]></script>\n::error::x"}}
YAML
}

controls() { # of any file: controls but newline and tab, C1, and overrides of the writing direction
    LC_ALL=C grep -lP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]' "$@"
}

case_begin "hostile texts: all reports in one go are sound, and none talks to a terminal"
hostile
run rrtest run suite.yaml --seed 7 --report json=results.json --report junit=r.xml --report tap=r.tap \
    --report tap13=r13.tap --report sarif=r.sarif --report markdown=r.md --report html=r.html --report console=r.txt
expect_status 1
expect_stdout_has 'zero:\x00behind'
expect_stdout_has 'last words'
expect [ -z "$(controls "$OUT" "$ERR" results.json r.*)" ]
run xmllint --noout --schema "$E2E/schemas/junit.xsd" r.xml
expect_status 0
run prove --exec cat r13.tap
expect_stdout_has "Failed 1/3 subtests"
run rrtest report results.json --report github
cp "$OUT" commands
expect [ "$(grep -c '^::error' commands)" = 1 ]
expect [ "$(grep -vc '^::' commands)" = 0 ]
run /usr/bin/python3 "$E2E/consumers.py" github results.json commands
expect_status 0
run rrtest report results.json --report json=again.json
expect_same results.json again.json
needs_node
consumed schema "$ROOT/scenarios/results.schema.json" results.json
expect_status 0
consumed tap results.json r.tap
expect_status 0
consumed sarif r.sarif
expect_status 0
consumed markdown results.json r.md
expect_status 0

case_begin "hostile texts: what else prints them does not either"
hostile
run rrtest run suite.yaml --dry-run
expect_stdout_has 'run\x1b[31m'
expect [ -z "$(controls "$OUT")" ]
run rrtest run suite.yaml --seed 7
run rrtest ls .
expect [ -n "$(cat "$OUT")" ]
expect [ -z "$(controls "$OUT")" ]
sed -i 's/runs: 2/runs: "\\e[31m"/' suite.yaml
run rrtest check suite.yaml
expect_status 2
expect [ -z "$(controls "$ERR")" ]
run rrtest run suite.yaml
expect_status 2
expect_stderr_has "suite.yaml:2:18: runs:"
expect [ -z "$(controls "$ERR")" ]

case_begin "negative control: a control character is found"
printf 'a\033b\n' >plain
expect [ "$(controls plain)" = plain ]

case_begin "a report that cannot be written: one error, the others are written, the old one stays"
model passing
mkdir folder
ln -s /dev/full full
echo old >old
run rrtest report passing.json --report junit=folder --report sarif=passing.json/x --report tap=full \
    --report json=good.json
expect_status 2
expect_stderr_has "rrtest: report junit: cannot write folder: Is a directory"
expect_stderr_has "rrtest: report sarif: cannot write passing.json/x: Not a directory"
expect_stderr_has "rrtest: report tap: cannot write full: No space left on device"
expect [ "$(wc -l <"$ERR")" = 3 ]
expect_same passing.json good.json
run sh -c "ulimit -f 1; trap '' XFSZ; exec '$RRTEST' report passing.json --report json=old"
expect_status 2
expect_stderr_has "rrtest: report json: cannot write old: File too large"
expect [ "$(cat old)" = old ]
expect [ "$(find . -name '*.tmp')" = "" ]

case_begin "stdout that is full ends in an error"
model passing
run sh -c "'$RRTEST' report passing.json --report junit=- >/dev/full"
expect_status 2
expect_stderr_has "report junit: cannot write to stdout: No space left on device"

case_begin "requests that make no sense are named"
model passing
run rrtest report passing.json --report junti=x
expect_status 2
expect_stderr_has "rrtest: report: --report: unknown format 'junti'; did you mean 'junit'?"
run rrtest report passing.json --report junit
expect_status 2
expect_stderr_has "expected junit=FILE ('-' is stdout), got 'junit'"
run rrtest report passing.json --report junit=x --report tap=x
expect_status 2
expect_stderr_has "junit and tap would both be written to x"
run rrtest report nowhere
expect_status 2
expect_stderr_has "rrtest: report: nowhere: No such file or directory"
mkdir empty
run rrtest report empty
expect_status 2
expect_stderr_has "empty/results.json: No such file or directory"
echo '{"format": "other"}' >other.json
run rrtest report other.json
expect_status 2
expect_stderr_has "other.json: expected results of rrtest"

# shards: one/results.json and two/results.json
shards() {
    mkdir one two
    "$FIXTURE" shard1 >one/results.json
    "$FIXTURE" shard2 >two/results.json
}

case_begin "shards are joined, in any order, into the same bytes"
shards
run rrtest merge one two -o whole --report junit=junit.xml
expect_status 1
expect_stdout_matches '^ok +only in 1 '
expect_stdout_matches '^FAIL +split +3 of 200 runs, about 374 schedules'
expect_stdout_matches '^2 passed, 1 failed; 600 runs'
run xmllint --noout --schema "$E2E/schemas/junit.xsd" junit.xml
expect_status 0
run rrtest merge two one --out again --quiet
expect_same whole/results.json again/results.json
expect_stdout_lacks "only in 1"
needs_node
consumed schema "$ROOT/scenarios/results.schema.json" whole/results.json
expect_status 0

for by in tests runs; do
    case_begin "a real session in three shards (by $by) is, joined, the session in one"
    cat >suite.yaml <<YAML
version: 1
defaults: {runs: 40, timeout: 30s}
tests:
  - {name: lost-update, command: [$SCENARIOS/lost_update]}
  - {name: fixed, command: [$SCENARIOS/lost_update_fixed]}
  - {name: deadlock, command: [$SCENARIOS/abba_deadlock]}
YAML
    run rrtest run suite.yaml --seed 7 --out whole --report junit=whole.xml
    expect_status 1
    for i in 1 2 3; do
        run rrtest run suite.yaml --seed 7 --out shard-$i --shard $i/3 --shard-by $by
        expect [ "$STATUS" -le 1 ]
    done
    run rrtest merge shard-2 shard-1 shard-3 -o joined --report junit=joined.xml
    expect_status 1
    expect_stdout_matches "replay .*rrtest replay shard-[123]/lost-update/"
    cat >compare.py <<'PY'
import json
def facts(path):
    session = json.load(open(path))
    assert session["unfinished"] is None
    return [(t["name"], t["verdict"], t["planned"], t["runs"], t["failed"], t["rate_high"],
             [(f["signature"], f["count"], f["first_run"], f["first_seed"]) for f in t["failures"]])
            for t in session["tests"]]
whole, joined = facts("whole/results.json"), facts("joined/results.json")
assert whole == joined, f"{whole}\n{joined}"
assert [t[1] for t in whole] == ["failed", "passed", "failed"], whole
PY
    run python3 compare.py
    expect_status 0
    run xmllint --noout --schema "$E2E/schemas/junit.xsd" whole.xml joined.xml
    expect_status 0
    needs_node
    consumed schema "$ROOT/scenarios/results.schema.json" whole/results.json joined/results.json \
        shard-1/results.json
    expect_status 0
done

case_begin "a trace is found beside the results it came with"
shards
run rrtest merge one two
expect_stdout_has "replay rrtest replay 'one/split/7'"
mkdir artifacts
mv one artifacts
mkdir -p artifacts/one/split/7
run rrtest merge artifacts/one two
expect_stdout_has "replay $RRTEST replay artifacts/one/split/7"

case_begin "a shard that is missing is named and fails"
shards
sed -i 's/"failed": 1,/"failed": 0,/; s/"verdict": "failed"/"verdict": "passed"/' one/results.json
run rrtest merge one
expect_status 1
expect_stdout_has "unfinished (shard 2 of 2 is missing)"

case_begin "shards that do not belong together"
shards
run rrtest merge one one
expect_status 2
expect_stderr_has "rrtest: merge: one and one are both shard 1 of 2: leave one out"
sed -i 's/"seed": "18446744073709551615"/"seed": "7"/' two/results.json
run rrtest merge one two -o whole
expect_status 2
expect_stderr_has "one and two do not belong together: the seed is 18446744073709551615 and 7"
expect_no_file whole
run rrtest merge
expect_status 2
expect_stderr_has "expected the folders of a session's shards"
head -c 1000 one/results.json >two/results.json
run rrtest merge one two
expect_status 2
expect_stderr_matches 'two/results.json:[0-9]+:[0-9]+: expected JSON'

finish
