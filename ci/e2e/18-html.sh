#!/bin/bash
# The HTML report in a browser: made from traces of real failures, opened offline, looked at by
# ci/e2e/page.mjs. Screenshots go to $LOGS.
. "$(dirname "$0")/lib.sh"

TIMEOUT=180
SHOTS=${LOGS:-$WORK}
PAGE=$WORK/report.html   # of a real session
SAMPLE=$WORK/sample.html # with a test of each verdict
(. "$ROOT/ci/lib.sh" && lock && node_modules) || exit 99
export NODE_MODULES=$ROOT/build/node_modules

# A trace of each bug, whatever seed finds it.
cat >"$WORK/suite.yaml" <<YAML
version: 1
defaults: {runs: 500, strategy: auto, timeout: 20s}
tests:
  - name: signal
    command: ["$SCENARIOS/signal_reentrancy"]
    inject: [{signal: SIGUSR1, probability: 0.05}]
  - name: deadlock
    command: ["$SCENARIOS/abba_deadlock"]
  - name: wakes
    command: ["$SCENARIOS/use_after_free"]
  - name: passes
    command: ["$SCENARIOS/lost_update_fixed"]
    runs: 3
YAML

case_begin "a session writes its report"
run rrtest run "$WORK/suite.yaml" --seed 7 --out "$WORK/out" --report "html=$PAGE"
expect_status 1
expect_file "$PAGE"
run "$BUILD/e2e/make_report" "$SAMPLE" "gone=$WORK/out/gone/1"
expect_status 0
expect_stderr_empty

case_begin "a report is made again from the results, with the same timelines"
run rrtest report "$WORK/out" --report "html=$TMP/again.html"
expect_status 1
expect [ "$(grep -c '"kinds":\["run"' "$TMP/again.html")" = 1 ]
expect [ "$(grep -o '"kinds":\["run"' "$TMP/again.html" | wc -l)" = 3 ]

case_begin "nothing in the page leads out of it"
expect grep -q "default-src 'none'" "$PAGE"
expect [ "$(grep -cE '(src|href)="(https?:)?//' "$PAGE")" = 0 ]
expect [ "$(grep -c '</script>' "$SAMPLE")" = 2 ]

look() { # look CHECK PAGE WHAT
    case_begin "$3"
    run node "$E2E/page.mjs" "$1" "$2" "$SHOTS"
    expect_status 0
}
look overview "$SAMPLE" "tests are listed, searched, filtered and ordered"
look failure "$SAMPLE" "a failure has its own page, where its text stays text"
look copy "$PAGE" "commands are copied"
look timeline "$PAGE" "the timeline tells of an injected signal, zooms, pans and goes by keys"
look search "$PAGE" "a search finds who waits for which lock"
look causes "$PAGE" "a wait leads to its wake"
look layout "$SAMPLE" "nothing overflows, narrow or wide, light or dark"
look real "$PAGE" "nor with real timelines"
look story "$PAGE" "a failure tells how the run came to it"
look theme "$PAGE" "the theme is switched and kept"

case_begin "thousands of tests: those that failed first, the others when asked for"
python3 - "$WORK/out/results.json" many.json <<'PY'
import copy, json, sys
session = json.load(open(sys.argv[1]))
passed = next(t for t in session["tests"] if t["verdict"] == "passed")
for i in range(2000):
    session["tests"].insert(0, dict(copy.deepcopy(passed), name=f"test-{i}"))
json.dump(session, open(sys.argv[2], "w"))
PY
run rrtest report many.json --report html=many.html
expect_status 1
run node "$E2E/page.mjs" many many.html "$SHOTS"
expect_status 0

case_begin "a page that is broken is noticed"
sed 's/const dom = /const dim = /' "$PAGE" >"$TMP/broken.html"
run node "$E2E/page.mjs" theme "$TMP/broken.html" "$TMP"
expect_status 1
expect_stdout_has "exception: "
sed 's|<link rel="icon" href="data:,">|<script src="http://127.0.0.1:9/x.js"></script>|; s/script-src /script-src http: /' \
    "$PAGE" >"$TMP/leaking.html"
run node "$E2E/page.mjs" theme "$TMP/leaking.html" "$TMP"
expect_status 1
expect_stdout_has "request: http://127.0.0.1:9/x.js"

finish
