#!/bin/bash
# What reports show of tasks: every stack in a deadlock, a timeout and a crash, in the program's own addresses.
. "$(dirname "$0")/lib.sh"

record() {
    run rrtest record -o trace "$@"
}

# expect_frames FUNCTION...: these functions, innermost first, on one stack (others may be between)
expect_frames() {
    holds || return 0
    awk -v wanted="$*" '
        BEGIN { count = split(wanted, name, " "); at = 1 }
        /^  task / { at = 1 }
        at <= count && (index($0, " " name[at] "+0x") || index($0, " " name[at] ",")) { at++ }
        at > count { found = 1; exit }
        END { exit !found }' "$ERR" || fail "expected the frames $* on one stack"
}

case_begin "a deadlock shows every task, its call and its stack"
record "$PROGRAMS/stuck" deadlock
expect_status 124
expect_stderr_has "deadlock: every task waits for ever:"
expect [ "$(grep -c '^  task .*: waits in futex(' "$ERR")" = 3 ]
expect_frames take_both forwards start_thread
expect_frames take_both backwards start_thread
expect_frames deadlock main _start
expect_stderr_matches '^    #[0-9]+ 0x[0-9a-f]+ take_both\+0x[0-9a-f]+ \(stuck\.c:[0-9]+\) \[stuck\]$'
expect_stderr_matches '^    #0 0x[0-9a-f]+ .*\[libc\.so\.6\]$'

case_begin "a stack goes on through a signal frame"
record "$PROGRAMS/stuck" handler
expect_status 124
expect_stderr_has "deadlock: every task waits for ever:"
expect_frames lock_in_handler work_with_lock handler main

case_begin "a wall timeout finds a task in the middle of a loop"
record --timeout 300ms "$PROGRAMS/stuck" spin
expect_status 124
expect_stderr_has "timeout: its tasks then:"
expect_frames work_with_lock spin main
expect_stderr_matches '^    #0 0x[0-9a-f]+ work_with_lock\+'

case_begin "a virtual timeout shows stacks too"
record --virtual-timeout 5ms "$PROGRAMS/stuck" spin
expect_status 124
expect_stderr_has "virtual timeout: its tasks then:"
expect_frames work_with_lock spin main

case_begin "a crash tells the signal and the stack, through a function of libc"
record "$PROGRAMS/stuck" crash
expect_status 134
expect_stderr_has "killed by SIGABRT in task 0 (stuck):"
expect_frames compare crash main
expect_stderr_matches '^    #[0-9]+ 0x[0-9a-f]+ .*abort.*\[libc\.so\.6\]$'
expect_stderr_matches '^    #[0-9]+ 0x[0-9a-f]+ .*qsort.*\[libc\.so\.6\]$'

case_begin "a deep stack is cut at 64 frames"
record "$PROGRAMS/stuck" fault
expect_status 139
expect_stderr_has "killed by SIGSEGV in task 0 (stuck):"
expect_stderr_matches '^    #0 0x[0-9a-f]+ deep\+'
expect_stderr_has "    #63 "
expect_stderr_lacks "    #64 "

case_begin "a crash of a child is the program's own business; --quiet says nothing of any"
record --quiet "$PROGRAMS/stuck" child
expect_status 0
expect_stdout "seen to"
expect_stderr_empty
record --quiet "$PROGRAMS/stuck" crash
expect_status 134
expect_stderr_empty

case_begin "a failing test of a suite shows where it died"
cat >suite.yaml <<YAML
version: 1
defaults: {runs: 1, strategy: round-robin}
tests:
  - {name: crash, command: ["$PROGRAMS/stuck", crash]}
  - {name: deadlock, command: ["$PROGRAMS/stuck", deadlock]}
YAML
run rrtest run suite.yaml --verbose --seed 1
expect_status 1
expect_stdout_has "killed by SIGABRT"
expect_stdout_matches '#[0-9]+ 0x[0-9a-f]+ compare\+'
expect_stdout_matches '#[0-9]+ 0x[0-9a-f]+ take_both\+'

# ---- frames are what other tools say -----------------------------------------------------------

# same_as addr2line|lines|gdb ARGUMENTS...: frames.py has the rules
same_as() {
    holds || return 0
    command -v "${1/lines/addr2line}" >/dev/null || return 0
    local tool=$1 said
    shift
    said=$("$E2E/frames.py" "$tool" "$RRTEST" trace "$@" 2>&1) || fail "frames differ from $tool's: $said"
}

for mode in inlined assert library handler fault null-call; do
    case_begin "functions, files and lines are those of addr2line and gdb: $mode"
    record "$PROGRAMS/ends" "$mode"
    expect [ "$STATUS" = 139 -o "$STATUS" = 134 ]
    same_as addr2line
    same_as gdb "$PROGRAMS/ends" "$mode"
done

case_begin "inlined functions are frames"
record "$PROGRAMS/ends" inlined
expect_status 139
expect_stderr_matches '^    #0 0x[0-9a-f]+ innermost, inlined \(ends\.c:[0-9]+\) \[ends\]$'
expect_stderr_matches '^    #1 0x[0-9a-f]+ middle, inlined \(ends\.c:[0-9]+\) \[ends\]$'
expect_stderr_matches '^    #2 0x[0-9a-f]+ outer\+0x[0-9a-f]+ \(ends\.c:[0-9]+\) \[ends\]$'

case_begin "names of C++ are readable; an exception nobody catches shows who threw it"
record "$PROGRAMS/ends_cpp"
expect_status 134
expect_stderr_has " store::Ring<double, 2>::at(int) const+0x"
expect_stderr_has " double store::largest<double>(std::vector<double, std::allocator<double> > const&)+0x"
expect_stderr_has " std::terminate()+0x"
same_as lines
record "$PROGRAMS/ends_cpp" thread
expect_status 134
expect_stderr_has " store::Ring<double, 2>::at(int) const+0x"
same_as lines

case_begin "through a library, which calls back"
record "$PROGRAMS/ends" library
expect_frames called_back inside library_calls library main
expect_stderr_matches ' inside\+0x[0-9a-f]+ \(ends_library\.c:[0-9]+\) \[libends_library\.so\]$'

case_begin "through signal frames, to the interrupted instruction"
record "$PROGRAMS/ends" fault
expect_status 134
expect_frames abort_in_handler innermost middle outer fault_handler main
expect_stderr_matches '^    #[0-9]+ 0x[0-9a-f]+ <signal handler called> \[libc\.so\.6\]$'

# ---- debug data elsewhere, or none -------------------------------------------------------------

# split_debug NAME: NAME and NAME.debug from ends, NAME.debug not linked to it yet
split_debug() {
    objcopy --only-keep-debug "$PROGRAMS/ends_static" "$1.debug" &&
        objcopy --strip-all "$PROGRAMS/ends_static" "$1"
}

expect_lines() {
    expect_stderr_matches '^    #0 0x[0-9a-f]+ innermost, inlined \(ends\.c:[0-9]+\) \[split\]$'
    expect_frames innermost middle outer inlined main
    same_as addr2line "split=$PROGRAMS/ends_static"
}

case_begin "a stripped program: where its frames are"
split_debug split
record ./split inlined
expect_status 139
expect_stderr_matches '^    #0 0x[0-9a-f]+ \[split\+0x[0-9a-f]+\]$'
expect [ "$(grep -c '^    #' "$ERR")" -ge 4 ]

case_begin "a program without .debug_aranges, which clang does not write"
expect objcopy --remove-section=.debug_aranges "$PROGRAMS/ends" without
record ./without inlined
expect_stderr_matches '^    #0 0x[0-9a-f]+ innermost, inlined \(ends\.c:[0-9]+\) \[without\]$'
expect_frames innermost middle outer inlined main
same_as addr2line "without=$PROGRAMS/ends"

case_begin "a separate debug file beside the program, by .gnu_debuglink"
split_debug split
expect objcopy --add-gnu-debuglink=split.debug split
record ./split inlined
expect_lines

case_begin "a separate debug file in .debug"
split_debug split
expect objcopy --add-gnu-debuglink=split.debug split
mkdir .debug && mv split.debug .debug/
record ./split inlined
expect_lines

expect_no_names() {
    expect_status 139
    expect_stderr_matches '^    #0 0x[0-9a-f]+ \[split\+0x[0-9a-f]+\]$'
}

case_begin "a debug file of another build is not believed"
split_debug split
objcopy --dump-section .note.gnu.build-id=note split.debug && printf x | dd of=note bs=1 seek=20 conv=notrunc status=none
expect objcopy --update-section .note.gnu.build-id=note split.debug
expect objcopy --add-gnu-debuglink=split.debug split
record ./split inlined
expect_no_names

case_begin "without a build-id the checksum in .gnu_debuglink decides"
split_debug split
objcopy --remove-section=.note.gnu.build-id split
objcopy --remove-section=.note.gnu.build-id split.debug
expect objcopy --add-gnu-debuglink=split.debug split
record ./split inlined
expect_lines
echo more >>split.debug
record ./split inlined
expect_no_names

case_begin "a separate debug file in the system's tree, by build-id"
id=$(readelf -n "$PROGRAMS/ends_static" | sed -n 's/.*Build ID: //p')
if [ -z "$id" ] || ! unshare -m true 2>/dev/null; then
    skip "needs a build-id and root for a mount"
else
    split_debug split
    mkdir -p "tree/.build-id/${id:0:2}" && mv split.debug "tree/.build-id/${id:0:2}/${id:2}.debug"
    mkdir -p /usr/lib/debug
    run unshare -m sh -c 'mount --bind tree /usr/lib/debug && exec "$@"' sh \
        "$RRTEST" record -o trace ./split inlined
    expect_lines
fi

# ---- programs of other kinds -------------------------------------------------------------------

for kind in static tables pointers musl; do
    case_begin "a program without an index of unwind tables: $kind"
    if [ ! -x "$PROGRAMS/ends_$kind" ]; then
        skip "not built"
        continue
    fi
    record "$PROGRAMS/ends_$kind" assert
    expect_status 134
    expect_frames assertion main
    record "$PROGRAMS/ends_$kind" handler
    expect_status 139
    expect_frames crashing_handler interrupted handler main
    expect_stderr_has " <signal handler called>"
    record "$PROGRAMS/ends_$kind" inlined
    expect_frames outer inlined main
    [ $kind = pointers ] || same_as addr2line
done

case_begin "an interpreter's deadlock"
if ! command -v python3 >/dev/null; then
    skip "no python3"
else
    record python3 -c 'import threading
lock = threading.Lock()
lock.acquire()
thread = threading.Thread(target=lock.acquire)
thread.start()
thread.join()'
    expect_status 124
    expect [ "$(grep -c '^  task .*: waits in futex(' "$ERR")" = 2 ]
    expect [ "$(grep -c '^    #.*python3' "$ERR")" -ge 10 ]
    expect_frames Py_BytesMain
fi

case_begin "all processes of the run"
record "$PROGRAMS/ends" children
expect_status 124
expect_stderr_matches '^  task 0 \(pid [0-9]+ tid [0-9]+, ends\): waits in wait4\('
expect_stderr_matches '^  task 0\.1 \(pid [0-9]+ tid [0-9]+, ends\): waits in read\('
expect_stderr_matches '^  task 0\.2 \(pid [0-9]+ tid [0-9]+, ends\): waits in read\('
expect_frames wait_for_nobody children main
same_as addr2line

case_begin "64 of 81 tasks are shown, and how many are not"
record "$PROGRAMS/ends" many
expect_status 124
expect [ "$(grep -c '^  task ' "$ERR")" = 64 ]
expect_stderr_matches '^  and 17 more$'

# ---- broken stacks -----------------------------------------------------------------------------

case_begin "a call of no function shows the caller"
for mode in null-call wild-call; do
    record "$PROGRAMS/ends" $mode
    expect_status 139
    expect_frames "${mode/-/_}" main
    expect [ "$(grep -c '^    #' "$ERR")" -ge 4 ]
done

case_begin "stacks that lead nowhere end"
for mode in smashed ring; do
    for kind in ends ends_static ends_tables ends_pointers; do
        record "$PROGRAMS/$kind" $mode
        expect_status 139
        expect_stderr_matches "^    #0 0x[0-9a-f]+ (smash|ring)\\+"
        expect_stderr_has "    ..."
    done
done

case_begin "a stack that overflowed"
record "$PROGRAMS/ends" overflow
expect_status 139
expect_stderr_matches '^    #63 0x[0-9a-f]+ recurse\+'
expect_stderr_has "    ..."

# ---- exits, and what traces keep ---------------------------------------------------------------

case_begin "a suite shows who called exit, and keeps it in the trace"
cat >suite.yaml <<YAML
version: 1
defaults: {runs: 1, strategy: round-robin}
tests:
  - {name: exit, command: ["$PROGRAMS/ends", exit]}
  - {name: thread, command: ["$PROGRAMS/ends", thread-exit]}
  - {name: wanted, command: ["$PROGRAMS/ends", exit], expect: {exit: 3}}
  - {name: killed, command: ["$PROGRAMS/ends", kill], expect: {signal: SIGKILL}}
  - {name: died, command: ["$PROGRAMS/ends", kill]}
  - {name: no-signal, command: ["$PROGRAMS/ends", exit], expect: {signal: SIGKILL}}
YAML
run rrtest run suite.yaml --verbose --seed 1 --keep all
expect_status 1
expect_stdout_has " give_up+0x"
stacks_of() {
    run rrtest dump --stacks rrtest-out/"$1"/*
    expect_status 0
}
stacks_of exit
expect_stdout_matches '^  task 0 \(pid [0-9]+ tid [0-9]+, ends\): exits with 3$'
expect_stdout_matches ' check_input\+0x[0-9a-f]+ \(ends\.c:[0-9]+\) \[ends\]$'
stacks_of thread
expect_stdout_matches '^  task 0\.1 .*: exits with 3$'
expect_stdout_matches '^  task 0 .*: waits in futex\('
expect [ "$(sed -n 2p "$OUT" | cut -c 1-10)" = "  task 0.1" ]
expect_stdout_has " exit_in_thread+0x"
stacks_of died
expect_stdout_matches '^  task 0 .*: killed by SIGKILL$'
expect_stdout_has " killed+0x"
stacks_of no-signal
expect_stdout_has " give_up+0x"
for name in wanted killed; do
    stacks_of $name
    expect_stdout_has "no stacks"
done

case_begin "dump shows the stacks behind the events"
record "$PROGRAMS/stuck" deadlock
run rrtest dump trace
expect_stdout_has "at its end:"
expect [ "$(grep -n '^at its end:$' "$OUT" | cut -d: -f1)" -gt 20 ]
expect [ "$(grep -c ' take_both+0x' "$OUT")" = 2 ]
run rrtest dump --json trace
expect [ "$(tail -n 1 "$OUT" | python3 -c 'import json, sys
tasks = json.load(sys.stdin)["stacks"]["tasks"]
print(len(tasks), sum(f.get("function") == "take_both" for t in tasks for f in t["frames"]))')" = "3 2" ]
run rrtest dump --stacks --patches trace
expect_status 2
expect_stderr_has "--patches and --stacks"

# ---- stacks of a replay ------------------------------------------------------------------------

# replays_stacks RECORD-ARGUMENTS...: at the end, the replayed tasks stand where the recorded ones did
replays_stacks() {
    record "$@"
    run rrtest dump --stacks trace
    grep '^    #' "$OUT" >recorded
    run rrtest replay --stacks trace
    expect_status 0
    grep '^    #' "$OUT" >replayed
    expect [ "$(wc -l <recorded)" -ge 5 ]
    expect_same recorded replayed
}

case_begin "replay shows the stacks too, from the trace alone"
cp "$PROGRAMS/stuck" program
for patching in static lazy off; do
    for strategy in round-robin random; do
        replays_stacks --patching $patching --strategy $strategy ./program deadlock
        replays_stacks --patching $patching --strategy $strategy ./program handler
    done
    replays_stacks --patching $patching ./program crash
    replays_stacks --patching $patching "$PROGRAMS/ends" fault
    replays_stacks --patching $patching "$PROGRAMS/ends_static" inlined
done
record ./program deadlock
run rrtest replay --stacks trace
cp "$OUT" before
rm program
run rrtest replay --stacks trace
expect_status 0
expect_same before "$OUT"

case_begin "replay shows the stacks behind any event"
record "$PROGRAMS/stuck" deadlock
number=$(rrtest dump trace | awk '/entry futex\(.*FUTEX_WAIT_BITSET/ { print $1; exit }')
run rrtest replay trace --stacks --at "$number"
expect_status 0
expect_stdout_has "behind event $number:"
expect_stdout_matches '^  task 0: waits in a system call$'
expect_stdout_matches ' deadlock\+0x[0-9a-f]+ \(stuck\.c:[0-9]+\) \[stuck\]$'
expect_stdout_matches '^  task 0\.1 \(tid [0-9]+\): runs$'
expect_stdout_lacks take_both
run rrtest replay trace --stacks --at 1000000
expect_status 125
expect_stderr_has "no event 1000000"
run rrtest replay trace --at 3
expect_status 125
expect_stderr_has "--at needs --stacks"

finish
