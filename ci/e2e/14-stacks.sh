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
run rrtest run suite.yaml --seed 1
expect_status 1
expect_stdout_has "killed by SIGABRT"
expect_stdout_matches '#[0-9]+ 0x[0-9a-f]+ compare\+'
expect_stdout_matches '#[0-9]+ 0x[0-9a-f]+ take_both\+'

finish
