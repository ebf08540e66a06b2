#!/bin/bash
# The HTML report in a browser: made from traces of real failures, opened offline, looked at by
# ci/e2e/page.mjs. Screenshots go to $LOGS.
. "$(dirname "$0")/lib.sh"

TIMEOUT=120
SHOTS=${LOGS:-$WORK}
PAGE=$WORK/report.html
(. "$ROOT/ci/lib.sh" && node_modules) || exit 99
export NODE_MODULES=$ROOT/build/node_modules

# A trace of each bug, whatever seed finds it. gone: its folder is removed before the page is made.
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
  - name: gone
    command: ["$SCENARIOS/lost_update"]
YAML

case_begin "a report is made of the traces of four bugs"
run rrtest run "$WORK/suite.yaml" --seed 7 --out "$WORK/out"
expect_status 1
traces=()
for name in signal deadlock wakes gone; do
    for trace in "$WORK/out/$name"/*; do
        traces+=("$name=$trace")
    done
done
rm -rf "$WORK/out/gone"
expect [ ${#traces[@]} = 4 ]
run "$BUILD/e2e/make_report" "$PAGE" "${traces[@]}"
expect_status 0
expect_stderr_empty
expect_file "$PAGE"

case_begin "nothing in the page leads out of it"
expect grep -q "default-src 'none'" "$PAGE"
expect [ "$(grep -cE '(src|href)="(https?:)?//' "$PAGE")" = 0 ]
expect [ "$(grep -c '</script>' "$PAGE")" = 2 ]

look() { # look CHECK WHAT
    case_begin "$2"
    run node "$E2E/page.mjs" "$1" "$PAGE" "$SHOTS"
    expect_status 0
}
look overview "tests are listed, searched, filtered and ordered"
look failure "a failure has its own page, where its text stays text"
look copy "commands are copied"
look timeline "the timeline tells of an injected signal, zooms, pans and goes by keys"
look search "a search finds who waits for which lock"
look causes "a wait leads to its wake"
look layout "nothing overflows, narrow or wide, light or dark"
look theme "the theme is switched and kept"

case_begin "a page that is broken is noticed"
sed 's/const dom = /const dim = /' "$PAGE" >"$TMP/broken.html"
run node "$E2E/page.mjs" overview "$TMP/broken.html" "$TMP"
expect_status 1
expect_stdout_has "exception: "
sed 's|<link rel="icon" href="data:,">|<script src="http://127.0.0.1:9/x.js"></script>|; s/script-src /script-src http: /' \
    "$PAGE" >"$TMP/leaking.html"
run node "$E2E/page.mjs" theme "$TMP/leaking.html" "$TMP"
expect_status 1
expect_stdout_has "request: http://127.0.0.1:9/x.js"

finish
