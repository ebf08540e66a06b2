#!/bin/bash
# Bad suites: status 2, and a message with file:line:column, the key, and what was expected. (The parser's
# unit tests have many more; these go the whole way through the command line.)
. "$(dirname "$0")/lib.sh"

# refused POSITION WORDS: the suite on stdin is refused; nothing runs, nothing is left behind.
refused() {
    case_begin "refused at $1: $2"
    cat >suite.yaml
    printf 'text\n' >plain
    printf 'text without a head\n' >neither
    chmod +x neither
    printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0' >elf32
    head -c 64 /dev/zero >>elf32
    chmod +x elf32
    mkdir folder
    run rrtest run suite.yaml
    expect_status 2
    expect_stdout ""
    expect_stderr_has "rrtest: suite.yaml:$1: "
    expect_stderr_has "$2"
    expect_no_file rrtest-out
}

refused 2:10 "version: expected 1" <<'YAML'
# comment
version: 3
YAML
refused 3:3 "valid YAML" <<'YAML'
version: 1
tests: [
  }
YAML
refused 2:1 "unknown key 'test' in the suite; did you mean 'tests'?" <<'YAML'
version: 1
test: []
YAML
refused 5:5 "unknown key 'timout' in tests; did you mean 'timeout'?" <<'YAML'
version: 1
tests:
  - name: a
    command: ["true"]
    timout: 3s
YAML
refused 5:11 "runs: expected a number of runs" <<'YAML'
version: 1
tests:
  - name: a
    command: ["true"]
    runs: [3]
YAML
refused 5:14 "timeout: expected a duration such as 10s" <<'YAML'
version: 1
tests:
  - name: a
    command: ["true"]
    timeout: 3
YAML
refused 4:14 "command: expected a list" <<'YAML'
version: 1
tests:
  - name: a
    command: "true"
YAML
refused 4:5 "got 'a' again (first on line 3)" <<'YAML'
version: 1
tests:
  - {name: a, command: ["true"]}
  - {name: a, command: ["false"]}
YAML
refused 3:39 "strategy: expected auto, round-robin or random" <<'YAML'
version: 1
tests:
  - {name: a, command: [x], strategy: pct}
YAML
refused 3:39 "patching: expected static, lazy or off" <<'YAML'
version: 1
tests:
  - {name: a, command: [x], patching: often}
YAML
refused 3:24 "found no /" <<'YAML'
version: 1
tests:
  - {name: a,command: [./nowhere]}
YAML
refused 3:25 "not executable" <<'YAML'
version: 1
tests:
  - {name: a, command: [./plain]}
YAML
refused 3:25 "neither" <<'YAML'
version: 1
tests:
  - {name: a, command: [./neither]}
YAML
refused 3:25 "32-bit" <<'YAML'
version: 1
tests:
  - {name: a, command: [./elf32]}
YAML
refused 3:25 "directory" <<'YAML'
version: 1
tests:
  - {name: a, command: [./folder]}
YAML
refused 3:25 "found no no-such-program-anywhere; a path is relative to the suite file" <<'YAML'
version: 1
tests:
  - {name: a, command: [no-such-program-anywhere]}
YAML
refused 3:39 "cwd: expected a directory" <<'YAML'
version: 1
tests:
  - {name: a, command: ["true"], cwd: nowhere}
YAML
refused 3:41 "stdin: expected a readable file" <<'YAML'
version: 1
tests:
  - {name: a, command: ["true"], stdin: nowhere}
YAML

case_begin "bytes that are no UTF-8"
printf 'version: 1\nname: \377\n' >suite.yaml
run rrtest run suite.yaml
expect_status 2
expect_stderr_has "suite.yaml:2:7: "

case_begin "no such suite"
run rrtest run nowhere.yaml
expect_status 2
expect_stderr_has "nowhere.yaml"

case_begin "a folder is no suite"
mkdir folder
run rrtest run folder
expect_status 2
expect_stderr_has "got a directory"

case_begin "a filter that matches nothing"
printf 'version: 1\ntests: [{name: a, command: ["true"]}]\n' >suite.yaml
run rrtest run suite.yaml --filter 'b*'
expect_status 2
expect_stderr_has "no test's name matches --filter 'b*'"

case_begin "negative control: the same suite without a mistake passes"
printf 'version: 1\ntests: [{name: a, command: ["true"], runs: 2, timeout: 30s}]\n' >suite.yaml
run rrtest run suite.yaml
expect_status 0
expect_stdout_matches '^ok +a +2 runs'
expect_stderr_empty

case_begin "a broken program of a test that is filtered out does not matter"
printf 'version: 1\ntests: [{name: a, command: ["true"], runs: 1}, {name: b, command: [./nowhere]}]\n' >suite.yaml
run rrtest run suite.yaml --filter a
expect_status 0
run rrtest run suite.yaml
expect_status 2

finish
