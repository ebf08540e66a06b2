#!/bin/bash
# What goes wrong around a run: signals, killed recorders and workers, full disks, forbidden calls. Nothing
# may be left running, and what was found before must survive.
. "$(dirname "$0")/lib.sh"

# A duration no other process uses marks the programs of this script.
MARK=86$$

marked() {
    pgrep -f "^([a-z/]*/)?sleep $MARK\$" >/dev/null
}

unmarked() {
    ! marked
}

all_marked() {
    [ "$(pgrep -fc "^([a-z/]*/)?sleep $MARK\$")" = 2 ]
}

# The recorder below process $1, if it has one that is not yet waiting for jobs to come.
children() {
    pgrep -P "$1"
}

write_suite() {
    cat >suite.yaml <<YAML
version: 1
search: ["$SCENARIOS"]
tests:
  - {name: found, command: [lost_update], runs: 200, timeout: 60s}
  - {name: stays, command: [sleep, "$MARK"], clock: real, runs: 5, timeout: none}
  - {name: later, command: ["true"], runs: 2}
YAML
}

# start ARGUMENTS...: rrtest in the background. A shell has its background jobs ignore SIGINT: undone.
start() {
    LAST="rrtest $* (in the background)"
    env --default-signal "$RRTEST" "$@" >"$OUT" 2>"$ERR" </dev/null &
}

# Start the suite in the background, wait until both workers run its sleeper: one to measure its length, one
# for its first run. $runner is its pid.
start_suite() {
    write_suite
    start run suite.yaml --seed 1 --jobs 2
    runner=$!
    expect wait_until 30 all_marked
    expect wait_until 30 eval 'ls rrtest-out/found/*/events.zst >/dev/null 2>&1'
}

reap() {
    wait "$1" 2>/dev/null
    STATUS=$?
}

case_begin "the mark finds a program (negative control)"
sleep "$MARK" &
sleeper=$!
expect wait_until 5 marked
kill $sleeper
wait $sleeper 2>/dev/null
expect unmarked

for signal in INT TERM HUP; do
    case_begin "SIG$signal ends a suite within two seconds, with results so far printed and kept"
    start_suite
    start=$(date +%s%N)
    kill -$signal "$runner"
    reap "$runner"
    elapsed=$((($(date +%s%N) - start) / 1000000))
    expect_status $((128 + $(kill -l $signal)))
    expect [ "$elapsed" -lt 2000 ]
    expect_stdout_has "FAIL  found"
    expect_stdout_has "(interrupted)"
    expect_stdout_has "1 failed, 2 unfinished (interrupted)"
    expect [ "$(find rrtest-out/found -name events.zst | wc -l)" = 1 ]
    expect wait_until 5 unmarked
done

case_begin "Ctrl-C on a terminal"
write_suite
LAST="Ctrl-C through script"
(wait_until 30 marked; wait_until 30 grep -q FAIL "$OUT"; printf '\003'; sleep 3) |
    timeout 40 script -qec "'$RRTEST' run suite.yaml --seed 1" /dev/null >"$OUT" 2>"$ERR"
expect_stdout_has "(interrupted)"
expect_stdout_has "FAIL"
expect wait_until 5 unmarked

case_begin "SIGKILL of the runner leaves no worker and no program"
start_suite
workers=$(children "$runner")
expect [ -n "$workers" ]
kill -KILL "$runner"
reap "$runner"
expect wait_until 5 unmarked
gone() {
    ! ps -o pid= -p "$(echo $workers | tr ' ' ,)" >/dev/null
}
expect wait_until 5 gone

case_begin "SIGKILL of a worker fails its test by name; the others go on"
start_suite
for worker in $(children "$runner"); do
    kill -KILL "$worker"
done
reap "$runner"
expect_status 1
expect_stdout_matches '^ERR +stays'
expect_stdout_has "the recorder was killed by SIGKILL during this run"
expect_stdout_matches '^ok +later'
expect wait_until 5 unmarked

case_begin "SIGKILL of record leaves no program, and a trace that replays to its end"
start record -q --clock real -o trace sh -c "echo begun; sleep $MARK"
recorder=$!
expect wait_until 20 marked
kill -KILL $recorder
reap $recorder
expect wait_until 5 unmarked
run rrtest stats --json trace
expect_status 0
expect_stdout_has '"complete": false'
run rrtest replay trace
expect [ "$STATUS" != 70 -a "$STATUS" != 125 ]

for signal in INT TERM; do
    case_begin "SIG$signal ends record with 128+n and a whole trace"
    start record -q --clock real -o trace sh -c "echo begun; sleep $MARK"
    recorder=$!
        expect wait_until 20 marked
    kill -$signal $recorder
    reap $recorder
    expect_status $((128 + $(kill -l $signal)))
    expect wait_until 5 unmarked
    run rrtest stats trace
    expect_status 0
done

case_begin "SIGKILL of replay leaves no process"
run rrtest record -q -o trace sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'
expect_status 0
start replay -q trace
replayer=$!
has_child() {
    [ -n "$(children $replayer)" ]
}
if wait_until 5 has_child; then
    below=$(children $replayer)
    kill -KILL $replayer
    reap $replayer
    none_below() {
        ! ps -o pid= -p "$(echo $below | tr ' ' ,)" >/dev/null
    }
    expect wait_until 5 none_below
else
    reap $replayer # it was faster than us
    expect_status 0
fi

# --- full disks ----------------------------------------------------------------------------------------

# Root gets a mount namespace as such, others along with a user namespace.
private_mounts() {
    if [ "$(id -u)" = 0 ]; then
        unshare -m "$@"
    else
        unshare -rm "$@"
    fi
}

# with_small_disk SIZE COMMANDS: a file system of that size is mounted at $TMP/small.
with_small_disk() {
    declare -f private_mounts >small.sh
    run bash -c ". ./small.sh; private_mounts sh -c \"mount -t tmpfs -o size=$1 none small && . ./commands\""
}

can_mount() {
    mkdir -p small && private_mounts mount -t tmpfs none "$TMP/small" 2>/dev/null
}

case_begin "a full disk fails the test with its name and the reason; earlier traces stay whole"
if can_mount; then
    cat >suite.yaml <<YAML
version: 1
search: ["$PROGRAMS"]
defaults: {runs: 1, strategy: round-robin}
tests:
  - {name: first, command: [nolibc], expect: {exit: 99}}
  - {name: big, command: [sh, -c, "head -c 3000000 /dev/urandom; exit 3"]}
  - {name: last, command: ["true"]}
YAML
    cat >commands <<SH
"$RRTEST" run suite.yaml --jobs 1 --out small/out
status=\$?
for trace in small/out/first/*; do
    "$RRTEST" replay -q "\$trace"
    echo "replayed with \$?"
done
find small/out >files
exit \$status
SH
    with_small_disk 1m
    expect_status 1
    expect_stdout_matches '^FAIL +first'
    expect_stdout_matches '^FAIL +big'
    expect [ "$(grep -c 'could not keep the trace' "$OUT")" = 1 ]
    expect_stdout_has "No space left on device"
    expect_stdout_matches '^ok +last'
    expect_stdout_has "replayed with 0"
    expect [ "$(grep -c /first/ files)" -gt 3 ]
    expect [ "$(grep -c /big files)" = 0 ]
else
    skip "no mount namespace here"
fi

case_begin "a full disk while recording: status 125 and the reason"
if can_mount; then
    echo "'$RRTEST' record -q -o small/trace head -c 3000000 /dev/urandom >/dev/null" >commands
    with_small_disk 1m
    expect_status 125
    expect_stderr_has "No space left on device"
else
    skip "no mount namespace here"
fi

case_begin "a folder that cannot be written"
cat >suite.yaml <<'YAML'
version: 1
tests: [{name: fails, command: ["false"], runs: 1}]
YAML
echo text >out
run rrtest run suite.yaml --out out
expect_status 2
expect_stderr_has "--out: expected a folder, but out is a file"
rm out
mkdir out
echo text >out/fails
run rrtest run suite.yaml --out out
expect_status 1
expect_stdout_has "could not keep the trace: cannot make out/fails: Not a directory"

# --- machines that cannot record -------------------------------------------------------------------------

# (A sanitized rrtest cannot look for leaks then: LeakSanitizer traces.)
without_ptrace() {
    run env ASAN_OPTIONS=detect_leaks=0 python3 "$WORK/forbid.py" "$RRTEST" "$@"
}

# A seccomp filter that forbids ptrace, as container profiles do.
cat >"$WORK/forbid.py" <<'PY'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
SYS_PTRACE, ERRNO_EPERM, ALLOW = 101, 0x00050001, 0x7fff0000
code = b"".join(struct.pack("HBBI", *row) for row in (
    (0x20, 0, 0, 0), (0x15, 0, 1, SYS_PTRACE), (0x06, 0, 0, ERRNO_EPERM), (0x06, 0, 0, ALLOW)))
buffer = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(buffer)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
PY

case_begin "a machine that cannot record: status 3, the reason once"
cat >suite.yaml <<'YAML'
version: 1
tests:
  - {name: a, command: ["true"], runs: 5}
  - {name: b, command: ["true"], runs: 5}
YAML
without_ptrace run suite.yaml
expect_status 3
expect [ "$(grep -c 'this machine cannot record' "$ERR")" = 1 ]
expect_stderr_has "ptrace"
run rrtest run suite.yaml
expect_status 0

case_begin "record on such a machine: status 125 and the reason"
without_ptrace record -o trace true
expect_status 125
expect_stderr_has "ptrace"

case_begin "doctor on such a machine: status 3"
without_ptrace doctor
expect_status 3
expect_stdout_has "recording works here: no"
expect_stdout_has "rrtest needs this"

# --- less than root ------------------------------------------------------------------------------------

write_passing() {
    cat >suite.yaml <<'YAML'
version: 1
tests: [{name: a, command: ["true"], runs: 5, strategy: round-robin}]
YAML
}

case_begin "in a user namespace that maps us to root"
write_passing
if unshare -r true 2>/dev/null; then
    run unshare -r "$RRTEST" run suite.yaml
    expect_status 0
    expect_stdout_has "5 runs, 1 schedule, 1 output"
else
    skip "no user namespace here"
fi

case_begin "without root"
write_passing
cp "$RRTEST" rrtest
mkdir data cache
chmod 711 "$WORK"
chmod 755 . rrtest
chmod 777 data cache
if [ "$(id -u)" != 0 ]; then
    skip "we are not root: all of these tests are run without"
else
    run setpriv --reuid 65534 --regid 65534 --clear-groups \
        env XDG_CACHE_HOME="$TMP/cache" XDG_DATA_HOME="$TMP/data" ./rrtest run suite.yaml
    expect_status 0
    expect_stdout_has "5 runs, 1 schedule, 1 output"
    run setpriv --reuid 65534 --regid 65534 --clear-groups \
        env XDG_CACHE_HOME="$TMP/cache" XDG_DATA_HOME="$TMP/data" ./rrtest record sh -c 'exit 7'
    expect_status 7
fi

finish
