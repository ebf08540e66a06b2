#!/bin/bash
# Tests that misbehave: each gets a verdict with its reason, the suite goes on, nothing is left behind,
# and the runner stays small. What goes wrong with rrtest's own files is here, too.
. "$(dirname "$0")/lib.sh"

NASTY=$PROGRAMS/nasty
TIMEOUT=500
MARK=rrtest-nasty-$$

# WAY, its timeout (short where it is what ends the run) and clock, whether it passes, and what the report must say of it.
ways() {
    cat <<'WAYS'
good            120s virtual ok   1 run
bad             120s virtual FAIL exit 3, expected exit 0
fork-bomb       120s virtual FAIL limit: processes: nasty .* the limit is 1000 \(limits.processes\)
fork-chain      120s virtual ok   1 run
daemonize       120s virtual ok   1 run
sleeping-daemon 120s virtual ok   1 run
orphans         120s virtual FAIL exit 3
many-threads    120s virtual FAIL limit: threads: nasty .* the limit is 4096
exec-loop       2s   virtual FAIL timeout: still running after 2.00s
ignore-term     2s   virtual FAIL timeout: still running after 2.00s
block-signals   2s   virtual FAIL timeout: still running after 2.00s
spin            2s   virtual FAIL timeout: still running after 2.00s
sleep           2s   real    FAIL timeout: still running after 2.00s
stop-self       120s virtual FAIL deadlock: every task waits for ever
kill-parent     120s virtual FAIL exit 4
kill-all        120s virtual FAIL exit 4
trace-others    120s virtual FAIL exit 4
fill-memory     120s virtual FAIL limit: memory: .* the limit is 500 MiB \(limits.memory\)
fill-quietly    120s virtual FAIL limit: memory: .* the limit is 500 MiB
fill-by-thread  120s virtual FAIL limit: memory: .* the limit is 500 MiB
fill-at-once    120s virtual FAIL limit: memory: .* the limit is 500 MiB
share-memory    120s virtual ok   1 run
fill-tmp        120s virtual FAIL limit: memory: .* of it by files in TMPDIR
sparse          120s virtual FAIL exit 3
huge-stack      120s virtual FAIL (exit 3|killed by SIGSEGV)
core-dump       120s virtual FAIL killed by SIGABRT
flood           120s virtual FAIL exit 3
garbage         120s virtual FAIL exit 3
write-stdin     120s virtual FAIL exit 3
close-files     120s virtual FAIL exit 3
open-many       120s virtual FAIL exit 3
delete-self     120s virtual FAIL exit 3
lock-folder     120s virtual FAIL exit 3
leave-segments  120s virtual FAIL exit 3
few-files-now   120s virtual FAIL exit 3
few-files       120s virtual (FAIL|ERR) (exit 3|its RLIMIT_NOFILE of 3 leaves rrtest's own no room)
little-space    120s virtual (FAIL|ERR) (exit 3|its RLIMIT_AS of 1048576 leaves rrtest's own no room)
little-time     120s virtual FAIL killed by SIGXCPU
small-files     120s virtual FAIL killed by SIGXFSZ
no-processes    120s virtual FAIL exit 3
last            120s virtual ok   1 run
WAYS
}

write_suite() {
    {
        echo "version: 1"
        echo "defaults: {runs: 1}"
        echo "tests:"
        ways | while read -r name timeout clock _; do
            way=$name
            [ "$name" = last ] && way=good
            echo "  - {name: $name, command: [\"$NASTY\", $way], timeout: $timeout, clock: $clock}"
        done
    } >suite.yaml
}

# What the report says of a test.
block() {
    awk -v name="$1" '/^[^ ]/ { on = $2 == name } on' "$OUT"
}

marked() {
    grep -laz "^RRTEST_MARK=$MARK\$" /proc/[0-9]*/environ 2>/dev/null | grep -c .
}

none_marked() {
    [ "$(marked)" = 0 ]
}

# What others would see of us: mounts, shared memory, files in the temporary folders.
surroundings() {
    cut -d' ' -f5- /proc/self/mountinfo
    ls /dev/shm
    cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg
    ls -A "$TMP/tmpdir"
    ls -d /tmp/own-* /tmp/fill-* 2>/dev/null
}

# The largest resident set of the runner and its workers, KiB; they are $1 and its children.
watch_size() {
    local most=0 size
    while kill -0 "$1" 2>/dev/null; do
        for pid in "$1" $(pgrep -P "$1"); do
            size=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
            [ "${size:-0}" -gt "$most" ] && most=$size && echo "$most" >"$WORK/most"
        done
        sleep 0.2
    done
}

case_begin "the mark finds a process (negative control)"
RRTEST_MARK=$MARK sleep 60 &
sleeper=$!
expect wait_until 5 [ "$(marked)" -ge 1 ]
kill $sleeper
wait $sleeper 2>/dev/null
expect none_marked

case_begin "every misbehaving test has its verdict and reason, and the suite goes on"
write_suite
mkdir tmpdir
surroundings >before
LAST="rrtest run suite.yaml"
RRTEST_MARK=$MARK TMPDIR=$TMP/tmpdir timeout -k 5 $TIMEOUT "$RRTEST" run suite.yaml --jobs 2 --seed 1 \
    --memory-limit 500M >"$OUT" 2>"$ERR" </dev/null &
waiter=$!
runner=
wait_until 5 pgrep -P $waiter >/dev/null
runner=$(pgrep -P $waiter)
watch_size "$runner"
wait $waiter
STATUS=$?
expect_status 1
while read -r name _ _ verdict reason; do
    block "$name" >"$WORK/block"
    grep -qE "^$verdict +$name " "$WORK/block" && grep -qE -e "$reason" "$WORK/block" ||
        fail "expected $name to be $verdict, '$reason': $(head -n 4 "$WORK/block")"
done < <(ways)
expect_stdout_matches ' runs in '
cp "$OUT" "$WORK/report"
cp "$ERR" "$WORK/notes"
mkdir -p "$WORK/kept"
mv rrtest-out "$WORK/kept/"

# What is left is looked at in the same folder, so this is no case of its own.
expect wait_until 5 none_marked
surroundings >after
expect_same before after
expect [ "$(ls | tr '\n' ' ')" = "after before suite.yaml tmpdir " ]

case_begin "output is cut with a note, and the end of it is shown"
cp "$WORK/report" "$OUT"
cp "$WORK/notes" "$ERR"
expect_stderr_has "the stdout of nasty was cut at 64 MiB (limits.output)"
expect_stdout_has "the last line"

case_begin "no control character and no invalid UTF-8 of a test reaches the report"
expect grep -q 'x1b.2J' "$WORK/report"
expect [ "$(tr -d '\n\t' <"$WORK/report" | LC_ALL=C grep -c '[[:cntrl:]]')" = 0 ]
expect iconv -f UTF-8 -t UTF-8 -o /dev/null "$WORK/report"

case_begin "the suite's own limits"
cat >suite.yaml <<YAML
version: 1
defaults: {runs: 1, timeout: 20s}
tests:
  - {name: memory, command: ["$NASTY", fill-memory], limits: {memory: 200MiB}}
  - {name: processes, command: ["$NASTY", fork-bomb], limits: {processes: 10}}
  - {name: output, command: ["$NASTY", flood], expect: {exit: 3}, limits: {output: 1MiB}}
  - {name: unseen, command: ["$NASTY", flood], expect: {exit: 3, stdout: nowhere}, limits: {output: 1MiB}}
YAML
run rrtest run suite.yaml --jobs 2
expect_status 1
expect_stdout_matches 'limit: memory: .* the limit is 200 MiB'
expect_stdout_matches 'limit: processes: .* the limit is 10 '
expect_stdout_matches '^ok +output '
expect_stderr_has "was cut at 1 MiB (limits.output)"
expect_stdout_matches "^ERR +unseen "
expect_stdout_has "stdout lacks 'nowhere' in what was kept of it, the first 1048576 and the last 65536 of"

case_begin "the runner and its workers stay small"
echo "largest: $(cat "$WORK/most") KiB" >"$OUT"
expect [ "$(cat "$WORK/most")" -gt 1000 ]
# A sanitizer's shadow and quarantine are its own.
most=400000
! grep -q __asan_init "$RRTEST" || most=1000000
expect [ "$(cat "$WORK/most")" -lt $most ]
expect [ "$(du -sm "$WORK/kept" | cut -f1)" -lt 400 ]

case_begin "the kept traces replay"
for trace in "$WORK"/kept/rrtest-out/*/*; do
    run rrtest replay -q --verify "$trace"
    [ "$STATUS" = 70 ] && fail "$trace diverges"
    [ "$STATUS" = 124 ] && ! grep -qE '"verdict": "(timeout|limit|deadlock)' "$trace/meta.json" &&
        fail "$trace does not end"
done
expect [ "$(ls "$WORK/kept/rrtest-out" | wc -l)" -gt 30 ]

case_begin "the same clone is refused in every run with a seed"
for i in 1 2 3; do
    run rrtest record -q -o "bomb$i" --process-limit 20 --strategy random --seed 7 "$NASTY" fork-bomb
    expect_status 124
    expect_stderr_has "the limit is 20 (limits.processes)"
    "$RRTEST" stats --json "bomb$i" 2>/dev/null | grep -o '"schedule_digest": "[^"]*"' >"digest$i"
done
expect [ -s digest1 ]
expect_same digest1 digest2
expect_same digest1 digest3

case_begin "limits that are not reached change nothing"
run rrtest record -q -o trace --process-limit 4 --memory-limit 200M "$NASTY" fork-chain
expect_status 0
run rrtest record -q -o shared --memory-limit 300M "$NASTY" share-memory
expect_status 0

case_begin "a limit on what cannot be one"
for value in 5 -3M 1X ""; do
    run rrtest record --memory-limit "$value" true
    expect_status 125
    expect_stderr_has "--memory-limit"
done
run rrtest record --process-limit 0 true
expect_status 125
expect_stderr_has "--process-limit"
run rrtest run --memory-limit none suite.yaml
expect_status 2

# --- the recorder's own memory and disk -----------------------------------------------------------------

# Random bytes, as many MiB as said, which the trace has to hold; then it fails.
write_heavy() {
    cat >suite.yaml <<YAML
version: 1
tests:
  - {name: heavy, command: [sh, -c, "head -c $1M /dev/urandom >/dev/null; exit 3"], runs: 1, patching: "off"}
  - {name: next, command: ["true"], runs: 1}
YAML
}

case_begin "a trace that is too large for memory is kept all the same, and replays"
write_heavy 60
mkdir tmpdir
run env TMPDIR="$TMP/tmpdir" "$RRTEST" run suite.yaml --memory-limit 64M --jobs 1
expect_status 1
expect_stdout_has "exit 3, expected exit 0"
expect_stdout_lacks "could not keep"
expect [ "$(du -sm rrtest-out | cut -f1)" -ge 60 ]
for trace in rrtest-out/heavy/*; do
    run rrtest replay -q "$trace"
    expect_status 3
done
expect [ -z "$(ls -A tmpdir)" ]

# Root gets a mount namespace as such, others along with a user namespace.
private_mounts() {
    if [ "$(id -u)" = 0 ]; then
        unshare -m "$@"
    else
        unshare -rm "$@"
    fi
}

can_mount() {
    mkdir -p small && private_mounts mount -t tmpfs none "$TMP/small" 2>/dev/null
}

# with_small_disk SIZE COMMANDS...: with a file system of that size at small.
with_small_disk() {
    local size=$1
    shift
    echo "$*" >commands
    declare -f private_mounts >small.sh
    run bash -c ". ./small.sh; private_mounts sh -c \"mount -t tmpfs -o size=$size none small && . ./commands\""
}

case_begin "the disk fills up while a large trace is kept: the verdict stays, the reason is told"
if can_mount; then
    write_heavy 60
    with_small_disk 20m "'$RRTEST' run suite.yaml --memory-limit 64M --jobs 1 --out small/out; " \
        'status=$?; find small >files; exit $status'
    expect_status 1
    expect_stdout_has "exit 3, expected exit 0; could not keep the trace"
    expect_stdout_has "No space left on device"
    expect_stdout_matches '^ok +next'
    expect [ "$(grep -c heavy files)" = 0 ]
else
    skip "no mount namespace here"
fi

case_begin "neither memory nor disk for a trace: the verdict stays, the reason is told"
if can_mount; then
    write_heavy 60
    # no other place for it either
    with_small_disk 20m "mkdir small/tmp; mount --bind small/tmp /var/tmp; export TMPDIR=$TMP/small/tmp;" \
        "'$RRTEST' run suite.yaml --memory-limit 64M --jobs 1 --out small/out"
    expect_status 1
    expect_stdout_has "exit 3, expected exit 0; could not keep the trace: it outgrew the memory"
    expect_stdout_has "No space left on device"
    expect_stdout_matches '^ok +next'
else
    skip "no mount namespace here"
fi

# Root writes where permissions forbid it, but not on a file system that is mounted for reading.
case_begin "a folder that may only be read, as --out"
write_heavy 1
mkdir -p readonly
if [ "$(id -u)" != 0 ]; then
    chmod 555 readonly
    run rrtest run suite.yaml --out readonly/out
    expect_stdout_has "Permission denied"
elif can_mount; then
    with_small_disk 1m "mount -o remount,ro small; '$RRTEST' run suite.yaml --out small/out"
    expect_stdout_has "Read-only file system"
else
    skip "no mount namespace here"
fi
expect_status 1
expect_stdout_has "exit 3, expected exit 0; could not keep the trace"
expect_stdout_matches '^ok +next'

case_begin "the same as another user"
if [ "$(id -u)" = 0 ]; then
    write_heavy 1
    cp "$RRTEST" rrtest
    mkdir readonly cache
    chmod 711 "$WORK"
    chmod 755 . rrtest readonly
    chmod 777 cache
    run setpriv --reuid 65534 --regid 65534 --clear-groups \
        env XDG_CACHE_HOME="$TMP/cache" ./rrtest run suite.yaml --out readonly/out
    expect_status 1
    expect_stdout_has "exit 3, expected exit 0; could not keep the trace"
    expect_stdout_has "Permission denied"
    expect_stdout_matches '^ok +next'
else
    skip "we are not root: the case above was it"
fi

case_begin "limits hold without root"
if [ "$(id -u)" = 0 ]; then
    cp "$RRTEST" rrtest
    cp "$NASTY" nasty
    mkdir data cache
    chmod 711 "$WORK"
    chmod 755 . rrtest nasty
    chmod 777 cache data
    for way in fork-bomb fill-memory fill-tmp leave-segments; do
        run setpriv --reuid 65534 --regid 65534 --clear-groups \
            env XDG_CACHE_HOME="$TMP/cache" XDG_DATA_HOME="$TMP/data" ./rrtest record \
            --memory-limit 300M --process-limit 50 ./nasty $way
        case $way in
        fork-bomb) expect_status 124; expect_stderr_has "limit: processes: " ;;
        fill-*) expect_status 124; expect_stderr_has "limit: memory: " ;;
        leave-segments) expect_status 3 ;;
        esac
    done
else
    skip "we are not root: all of these tests are run without"
fi

# The kernel's own choice, in a control group that has less memory than the run may take.
case_begin "killed by the kernel for lack of memory: told, and the recorder lives"
groups=/sys/fs/cgroup/memory
[ -d $groups ] || groups=/sys/fs/cgroup
group=$groups$(sed -n "s/^[0-9]*:\(memory\)\?:\(.*\)/\2/p" /proc/self/cgroup | grep -v '^/$' | head -n 1)/$MARK
if [ "$(id -u)" = 0 ] && mkdir "$group" 2>/dev/null; then
    limit=memory.max
    [ -e "$group/$limit" ] || limit=memory.limit_in_bytes
    if echo 150M >"$group/$limit" 2>/dev/null; then
        echo "echo \$\$ >'$group/cgroup.procs' && exec '$RRTEST' record -o trace '$NASTY' fill-memory" >commands
        run sh ./commands
        expect_status 124
        expect_stderr_has "limit: memory: nasty (pid 2) was killed by the kernel for lack of memory"
    else
        skip "no memory limit can be set here"
    fi
    rmdir "$group"
else
    skip "no control group can be made here"
fi

finish
