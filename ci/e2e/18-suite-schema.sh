#!/bin/bash
# The JSON Schema of suites: it is the one that the tables of keys make; SUITE.md has every key; and an
# outside validator that knows only the schema thinks of good and bad suites what `rrtest check` thinks.
# (What no schema can say, such as that names are unique, is not asked here.)
. "$(dirname "$0")/lib.sh"
SCHEMA=$ROOT/scenarios/suite.schema.json

case_begin "scenarios/suite.schema.json is what rrtest check --schema prints"
run rrtest check --schema
expect_status 0
expect_same "$OUT" "$SCHEMA"

# A key may stand in a table as `key`, or in an example as "key:".
case_begin "SUITE.md has every key of the schema"
cat >missing.py <<'PY'
import json, re, sys
schema = json.load(open(sys.argv[1]))
text = open(sys.argv[2]).read()
keys = set(schema["properties"])
for shape in schema["$defs"].values():
    keys |= set(shape.get("properties", {}))
keys |= {"exclude"}
for key in sorted(keys):
    if not re.search(r"`" + re.escape(key) + r"`", text):
        print(key)
PY
run python3 missing.py "$SCHEMA" "$ROOT/SUITE.md"
expect_status 0
expect_stdout ""

case_begin "the outside validator can be had"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip "no node, no npm"
    finish
fi
flock "$ROOT/build/.node.lock" bash -c '. "$1/ci/lib.sh"; node_modules' _ "$ROOT" 2>node.log
[ -d "$ROOT/build/node_modules/ajv" ] || { cat node.log >&2; fail "cannot install node modules"; finish; }
export NODE_MODULES=$ROOT/build/node_modules

# Suites, each behind a line "=== good|bad NAME".
mkdir -p "$WORK/suites"
awk -v dir="$WORK/suites" '/^=== /{file = dir "/" $2 "-" $3 ".yaml"; next} {print >file}' <<'YAML'
=== good minimal
version: 1
tests: [{name: a, command: ["true"]}]
=== good scalars-as-texts
version: 1
tests: [{name: 7, command: [true, 4, 1.5, off], env: {A: 1, B: yes}}]
=== good common
version: 1
name: common
search: [bin, /opt]
defaults: {runs: 5, timeout: 20s, command: ["true"], env: {A: "1"}}
tests:
  - {name: a, runs: 0x10, seed: 18446744073709551615, strategy: random, patching: off, clock: real}
  - {name: b, seeds: [1, 0x2], virtual_timeout: 1.5m, keep_going: true, time_budget: none}
=== good expectations
version: 1
tests:
  - {name: a, command: ["true"], expect: {exit: 3, stdout: [a, b], stdout_not: c, stderr_regex: "^x"}}
  - {name: b, command: ["true"], expect: {exit: [0, 3], stderr_exact: "", stdout_exact: "x"}}
  - {name: c, command: ["true"], expect: {exit: nonzero, stderr: x, stderr_not: [y, z], stdout_regex: q}}
  - {name: d, command: ["true"], expect: {exit: any}}
  - {name: e, command: ["true"], expect: {signal: SIGABRT}}
=== good inject
version: 1
tests:
  - name: a
    command: ["true"]
    inject: [{signal: SIGUSR1, at: futex, probability: 0.2, limit: 3}, {signal: USR2}]
=== good matrix
version: 1
tests:
  - name: a
    matrix: {THREADS: [1, "4"], mode: [fast, slow], exclude: [{THREADS: 1, mode: fast}, {mode: slow}]}
    command: ["true", "${THREADS}"]
    runs: ${THREADS}
  - {name: b, command: ["true"]}
=== bad matrix-variable-in-name
version: 1
tests:
  - {name: "a/${b}", command: ["true"], matrix: {b: [x]}}
=== good matrix-strategy
version: 1
tests:
  - {name: a, matrix: {p: [static, lazy], t: [1s]}, command: ["true"], patching: "${p}", timeout: "${t}"}
=== good hooks
version: 1
tests:
  - name: a
    command: ["true"]
    setup: ["echo x", ["true", 3]]
    teardown: []
    setup_each: [true]
    teardown_each: ["true"]
    setup_timeout: 10s
=== good around
version: 1
tests:
  - name: a
    command: ["true"]
    stdin_text: ""
    labels: [slow, net-work]
    limits: {memory: 2G, processes: 200, output: 64M}
    quarantine: {reason: flaky, until: 2027-01-31, signature: 0123456789abcdef}
  - {name: b, command: ["true"], skip: later}
  - {name: c, command: ["true"], skip: {reason: later, unless_exists: /, unless_program: gdb}}
=== good aliases
version: 1
defaults: {env: &e {A: "1"}}
tests: [{name: a, command: &c ["true"]}, {name: b, command: *c, env: *e}]
=== bad no-version
tests: [{name: a, command: ["true"]}]
=== bad other-version
version: 2
tests: [{name: a, command: ["true"]}]
=== bad no-tests
version: 1
=== bad empty-tests
version: 1
tests: []
=== bad top-key
version: 1
test: []
tests: [{name: a, command: ["true"]}]
=== bad test-key
version: 1
tests: [{name: a, comand: ["true"], command: ["true"]}]
=== bad no-name
version: 1
tests: [{command: ["true"]}]
=== bad no-command
version: 1
tests: [{name: a}]
=== bad name-in-defaults
version: 1
defaults: {name: a}
tests: [{name: a, command: ["true"]}]
=== bad name-slash
version: 1
tests: [{name: a/b, command: ["true"]}]
=== bad name-null
version: 1
tests: [{name: ~, command: ["true"]}]
=== bad command-text
version: 1
tests: [{name: a, command: "true"}]
=== bad command-empty
version: 1
tests: [{name: a, command: []}]
=== bad command-null
version: 1
tests: [{name: a, command: ["true", ~]}]
=== bad runs-zero
version: 1
tests: [{name: a, command: ["true"], runs: 0}]
=== bad runs-list
version: 1
tests: [{name: a, command: ["true"], runs: [3]}]
=== bad runs-half
version: 1
tests: [{name: a, command: ["true"], runs: 1.5}]
=== bad timeout-number
version: 1
tests: [{name: a, command: ["true"], timeout: 3}]
=== bad timeout-unit
version: 1
tests: [{name: a, command: ["true"], timeout: 3 s}]
=== bad strategy
version: 1
tests: [{name: a, command: ["true"], strategy: chaos}]
=== bad patching
version: 1
tests: [{name: a, command: ["true"], patching: often}]
=== bad clock
version: 1
tests: [{name: a, command: ["true"], clock: wall}]
=== bad seed-and-seeds
version: 1
tests: [{name: a, command: ["true"], seed: 1, seeds: [2]}]
=== bad stdin-twice
version: 1
tests: [{name: a, command: ["true"], stdin: /dev/null, stdin_text: x}]
=== bad exit-and-signal
version: 1
tests: [{name: a, command: ["true"], expect: {exit: 0, signal: SIGABRT}}]
=== bad exit-large
version: 1
tests: [{name: a, command: ["true"], expect: {exit: 256}}]
=== bad exit-list
version: 1
tests: [{name: a, command: ["true"], expect: {exit: []}}]
=== bad exit-word
version: 1
tests: [{name: a, command: ["true"], expect: {exit: none}}]
=== bad expect-key
version: 1
tests: [{name: a, command: ["true"], expect: {stdot: x}}]
=== bad inject-no-signal
version: 1
tests: [{name: a, command: ["true"], inject: [{at: futex}]}]
=== bad inject-probability
version: 1
tests: [{name: a, command: ["true"], inject: [{signal: SIGUSR1, probability: 2}]}]
=== bad limits-size
version: 1
tests: [{name: a, command: ["true"], limits: {memory: 2048}}]
=== bad limits-key
version: 1
tests: [{name: a, command: ["true"], limits: {memry: 2G}}]
=== bad quarantine-no-date
version: 1
tests: [{name: a, command: ["true"], quarantine: {reason: x}}]
=== bad quarantine-date
version: 1
tests: [{name: a, command: ["true"], quarantine: {reason: x, until: tomorrow}}]
=== bad quarantine-signature
version: 1
tests: [{name: a, command: ["true"], quarantine: {reason: x, until: 2027-01-31, signature: abc}}]
=== bad skip-boolean
version: 1
tests: [{name: a, command: ["true"], skip: true}]
=== bad skip-no-reason
version: 1
tests: [{name: a, command: ["true"], skip: {unless_exists: x}}]
=== bad matrix-value
version: 1
tests: [{name: a, command: ["true"], matrix: {A: 1}}]
=== bad matrix-same
version: 1
tests: [{name: a, command: ["true"], matrix: {A: [x, x]}}]
=== bad matrix-axis
version: 1
tests: [{name: a, command: ["true"], matrix: {"1x": [x]}}]
=== bad labels-text
version: 1
tests: [{name: a, command: ["true"], labels: slow}]
=== bad labels-blank
version: 1
tests: [{name: a, command: ["true"], labels: [a b]}]
=== bad keep-going
version: 1
tests: [{name: a, command: ["true"], keep_going: maybe}]
=== bad setup-mapping
version: 1
tests: [{name: a, command: ["true"], setup: {run: x}}]
=== bad setup-empty-command
version: 1
tests: [{name: a, command: ["true"], setup: [[]]}]
=== bad files-text
version: 1
tests: [{name: a, command: ["true"], files: data}]
=== bad include-empty
version: 1
include: []
=== bad env-list
version: 1
tests: [{name: a, command: ["true"], env: [A=1]}]
=== bad merge-key
version: 1
defaults: &d {runs: 3}
tests: [{name: a, command: ["true"], <<: *d}]
YAML

case_begin "schema and rrtest check agree on suites made for it"
run node "$ROOT/ci/node/validate-suites.mjs" "$SCHEMA" "$WORK"/suites/*.yaml
expect_status 0
cp "$OUT" verdicts
n=0
while read -r verdict file rest; do
    file=${file%:}
    wanted=$(basename "$file" | sed 's/-.*//')
    n=$((n + 1))
    [ "$verdict" = "$wanted" ] || { cp "$file" "$OUT"; fail "the schema says $verdict of $(basename "$file") $rest"; }
    run rrtest check "$file"
    expect_status "$([ "$wanted" = good ] && echo 0 || echo 2)"
done <verdicts
expect [ "$n" -ge 55 ]

case_begin "the example of SUITE.md is a good suite"
awk '/^```yaml/{on = 1; next} /^```/{on = 0} on' "$ROOT/SUITE.md" >example.yaml
expect [ "$(wc -l <example.yaml)" -ge 15 ]
run node "$ROOT/ci/node/validate-suites.mjs" "$SCHEMA" example.yaml
expect_stdout "good example.yaml"

case_begin "both find the tree's own suites good"
build_scenarios=$ROOT/build/release/scenarios
grep -rlE --include='*.yaml' '^tests:' "$ROOT/scenarios" "$ROOT/ci" >suites
expect [ "$(wc -l <suites)" -ge 2 ]
run xargs -a suites node "$ROOT/ci/node/validate-suites.mjs" "$SCHEMA"
expect_status 0
expect_stdout_lacks "bad "
while read -r suite; do
    run rrtest check "$suite"
    [ -d "$build_scenarios" ] || continue # its programs are not built here
    expect_status 0
done <suites

finish
