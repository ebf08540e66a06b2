#!/bin/bash
# The command line: help, usage errors, exit statuses, where output and traces go. No schedules here.
. "$(dirname "$0")/lib.sh"

# --- usage -------------------------------------------------------------------------------------------

case_begin "without arguments: usage on stderr, status 2"
run rrtest
expect_status 2
expect_stdout ""
expect_stderr_has "usage:"

for help in help --help -h; do
    case_begin "$help: usage on stdout, status 0"
    run rrtest $help
    expect_status 0
    expect_stdout_has "rrtest record"
    expect_stderr_empty
done

case_begin "version"
run rrtest --version
expect_status 0
expect_stdout_matches '^rrtest [0-9]+\.[0-9]+\.[0-9]+$'

for command in run record replay dump stats ls doctor; do
    case_begin "$command --help names its options"
    run rrtest "$command" --help
    expect_status 0
    expect_stdout_has "usage: rrtest $command"
    expect_stdout_has "--help"
done

case_begin "an unknown command gets the nearest one named"
run rrtest recrod true
expect_status 2
expect_stderr_has "did you mean 'record'?"

case_begin "help and version are commands to be meant, options are told from commands"
run rrtest hepl
expect_status 2
expect_stderr_has "did you mean 'help'?"
run rrtest --verison
expect_status 2
expect_stderr_has "unknown option '--verison' in front of a command"

# usage_error STATUS WORDS ARGUMENTS...
usage_error() {
    local status=$1 words=$2
    shift 2
    case_begin "usage error: rrtest $*"
    run rrtest "$@"
    expect_status "$status"
    expect_stdout ""
    expect_stderr_has "$words"
}

usage_error 2 "did you mean '--jobs'?" run --job 3 s.yaml
usage_error 2 "did you mean '--help'?" check --hepl
usage_error 2 "pack: -o: expected a file, got '-'" pack -o -
usage_error 2 "--out: expected a folder, but /etc/passwd is a file" run s.yaml --out /etc/passwd
usage_error 2 "--jobs: expected a number from 1 to" run --jobs 0 s.yaml
usage_error 2 "--runs: expected a number from 1 to" run --runs many s.yaml
usage_error 2 "--runs: expected a value (N)" run s.yaml --runs
usage_error 2 "--seed: expected a number from 0 to 2^64-1" run --seed 18446744073709551616 s.yaml
usage_error 2 "--run-seed: expected a number" run --run-seed -1 s.yaml
usage_error 2 "--time-budget: expected a duration" run --time-budget 10 s.yaml
usage_error 2 "--keep: expected failures, all or none" run --keep some s.yaml
usage_error 2 "--strategy: expected auto, round-robin or random" run --strategy pct s.yaml
usage_error 2 "--patching: expected static, lazy or off" run --patching often s.yaml
usage_error 2 "--quiet: expected no value" run --quiet=yes s.yaml
usage_error 2 "expected one suite file, got 0" run
usage_error 2 "expected one suite file, got 2" run a.yaml b.yaml
usage_error 125 "expected a program" record
usage_error 125 "expected a program" record -q --
usage_error 125 "unknown option '--verbose'" record --verbose true
usage_error 125 "--strategy: expected round-robin or random" record --strategy auto true
usage_error 125 "--patching: expected static, lazy or off" record --patching no true
usage_error 125 "--clock: expected virtual or real" record --clock wall true
usage_error 125 "--timeout: expected a duration" record --timeout 5 true
usage_error 125 "--inject: signal: expected a signal" record --inject SIGFOO true
usage_error 125 "--inject: at: expected a system call" record --inject SIGUSR1:at=nocall true
usage_error 125 "--stdin: cannot open nowhere" record -o trace --stdin nowhere true
usage_error 125 "expected one trace, got 2" replay a b
usage_error 125 "nowhere" replay nowhere
usage_error 2 "expected one trace, got 2" dump a b
usage_error 2 "nowhere" dump nowhere
usage_error 2 "nowhere" stats nowhere
usage_error 2 "nowhere" ls nowhere
usage_error 2 "expected no operand" doctor cpu
usage_error 2 "nowhere" doctor --image nowhere

# --- record ------------------------------------------------------------------------------------------

for status in 0 1 7 125 255; do
    case_begin "record exits as the program does: $status"
    run rrtest record -o trace sh -c "exit $status"
    expect_status "$status"
    expect_file trace/events.zst
    expect_file trace/meta.json
    run rrtest replay trace
    expect_status "$status"
done

for signal in 6 9 11 15; do
    case_begin "record exits with 128+n when signal n killed the program: $signal"
    run rrtest record -o trace sh -c "kill -$signal \$\$"
    expect_status $((128 + signal))
    run rrtest replay trace
    expect_status $((128 + signal))
done

case_begin "stdout and stderr pass through unchanged, ours goes to stderr"
run rrtest record -o trace sh -c 'echo out; echo err >&2; printf "a\0b"'
printf 'out\na\0b' >expected
expect_same "$OUT" expected
expect_stderr_has "err"
expect_stderr_has "rrtest: trace in trace"
run rrtest replay trace
expect_same "$OUT" expected
expect_stderr_has "err"

case_begin "--quiet silences ours"
run rrtest record --quiet -o trace sh -c 'echo err >&2'
expect_status 0
echo err >expected
expect_same "$ERR" expected
run rrtest replay --quiet trace
expect_same "$ERR" expected

case_begin "the program's stdin is /dev/null, and ours is never read"
printf 'one\ntwo\n' >input
LAST="record, then read"
{ "$RRTEST" record -q -o trace cat; cat; } <input >"$OUT" 2>"$ERR"
expect_same "$OUT" input

case_begin "--stdin gives the program a file"
printf 'one\ntwo\n' >input
run rrtest record -q -o trace --stdin input cat
expect_same "$OUT" input
rm input
run rrtest replay -q trace
printf 'one\ntwo\n' >input
expect_same "$OUT" input

case_begin "options behind the program are the program's"
run rrtest record -q -o trace echo --seed -q --help
expect_status 0
expect_stdout "--seed -q --help"

case_begin "-- ends our options"
run rrtest record -q -o trace -- echo -- x
expect_stdout "-- x"

case_begin "a program beside us, by relative path"
printf '#!/bin/sh\necho "got $1"\n' >script
chmod +x script
run rrtest record -q -o trace ./script 5
expect_stdout "got 5"

# bad_program WORDS NAME: status 125, no trace left
bad_program() {
    case_begin "record refuses: $1"
    printf 'text\n' >plain
    printf 'text without a head\n' >neither
    chmod +x neither
    mkdir folder
    # An ELF header for 32-bit x86.
    printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0' >elf32
    head -c 64 /dev/zero >>elf32
    chmod +x elf32
    # The head of a 64-bit ELF for another machine (aarch64).
    printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0\1\0\0\0' >arm
    head -c 64 /dev/zero >>arm
    chmod +x arm
    run rrtest record -o trace "$2"
    expect_status 125
    expect_stderr_has "$2"
    expect_stderr_has "$1"
    expect_no_file trace
}
bad_program "No such file" ./nowhere
bad_program "no program" nowhere-in-path
bad_program "not executable" ./plain
bad_program "32-bit" ./elf32
bad_program "x86-64" ./arm
bad_program "neither" ./neither
bad_program "directory" ./folder

case_begin "a folder that is no trace is not touched"
mkdir trace
echo precious >trace/file
run rrtest record -o trace true
expect_status 125
expect [ "$(cat trace/file)" = precious ]

case_begin "recording over a trace replaces it"
run rrtest record -q -o trace sh -c 'exit 3'
run rrtest record -q -o trace sh -c 'exit 4'
expect_status 4
run rrtest replay -q trace
expect_status 4

case_begin "traces without -o: numbered, listed, the latest replays"
rm -rf "$XDG_DATA_HOME"
run rrtest record -q sh -c 'exit 3'
run rrtest record -q sh -c 'exit 5'
expect_status 5
expect_file "$XDG_DATA_HOME/rrtest/sh-0/events.zst"
expect_file "$XDG_DATA_HOME/rrtest/sh-1/events.zst"
run rrtest replay -q
expect_status 5
run rrtest ls
expect_status 0
expect_stdout_has sh-0
expect_stdout_has sh-1
run rrtest stats
expect_status 0

case_begin "without any trace: ls lists none, the others say what to do"
rm -rf "$XDG_DATA_HOME"
run rrtest ls
expect_status 0
expect_stdout ""
expect_stderr_empty
run rrtest ls --sum
expect_status 0
expect_stdout_has "0 traces"
for command in dump stats pack; do
    run rrtest $command
    expect_status 2
    expect_stderr_has "name a trace, or make one with rrtest record"
done
run rrtest replay
expect_status 125
expect_stderr_has "name a trace, or make one with rrtest record"

case_begin "a failed recording leaves no numbered folder"
rm -rf "$XDG_DATA_HOME"
run rrtest record -q ./nowhere
expect_status 125
expect_no_file "$XDG_DATA_HOME/rrtest/nowhere-0"

case_begin "--timeout ends the program: status 124"
run rrtest record -q --timeout 300ms -o trace sh -c 'while :; do :; done'
expect_status 124
run rrtest replay -q trace
expect_status 124

case_begin "--virtual-timeout ends the program: status 124"
run rrtest record -q --virtual-timeout 5s -o trace sleep 1000
expect_status 124

case_begin "sleeping costs no time under the virtual clock"
run timeout 20 "$RRTEST" record -q -o trace sleep 1000
expect_status 0

case_begin "--clock real sleeps"
run timeout 1 "$RRTEST" record -q --clock real -o trace sleep 30
expect_status 124

# --- looking at traces ---------------------------------------------------------------------------------

case_begin "dump and stats, for people and machines"
run rrtest record -q -o trace sh -c 'echo hello; exit 3'
run rrtest dump trace
expect_status 0
expect_stdout_has " exec "
run rrtest stats trace
expect_status 0
run rrtest stats --json trace
expect_status 0
expect python3 - "$OUT" <<'PY'
import json, sys
stats = json.load(open(sys.argv[1]))
assert stats["events"] == sum(stats["events_by_kind"].values()), stats
for key in ("stops", "ticks", "preemptions", "switches", "stray_entries"):
    assert isinstance(stats[key], int), key
assert stats["schedule_digest"]
assert stats["syscalls"]["total"] > stats["syscalls"]["buffered"] > 10
assert 10 < sum(stats["syscalls"]["by_name"].values()) <= stats["syscalls"]["total"]
assert stats["syscalls"]["traced_by_name"]["mmap"] >= 1
assert {"name": "mmap", "count": stats["syscalls"]["traced_by_name"]["mmap"]} in stats["syscalls"]["traced"]
assert stats["patches"]["applied"] == 0
PY
run rrtest dump --json trace
expect python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$OUT"

case_begin "what a run has to go without is said once"
JIT='for (1..3) { syscall(9, 0, 4096, 7, 0x22, -1, 0); syscall(101, 0, 0, 0, 0) }'
run rrtest record -o trace perl -e "$JIT"
expect_status 0
expect [ "$(grep -c 'note: perl makes code at run time, .*system calls only$' "$ERR")" = 1 ]
expect [ "$(grep -c 'note: perl: ptrace(.*detect_leaks=0' "$ERR")" = 1 ]
rm -rf trace
run rrtest record --quiet -o trace perl -e "$JIT"
expect_stderr_empty
printf 'version: 1\ntests: [{name: jit, command: [perl, -e, "%s"]}]\n' "$JIT" >jit.yaml
run rrtest run jit.yaml --runs 4
expect_status 0
expect [ "$(grep -c 'note: ' "$ERR")" = 2 ]
run rrtest run jit.yaml --runs 4 --quiet
expect_stderr_empty

case_begin "output that cannot be written is an error"
LAST="rrtest help >/dev/full"
"$RRTEST" help >/dev/full 2>"$ERR"
expect [ $? != 0 ]
expect_stderr_has "cannot write"

# --- doctor ----------------------------------------------------------------------------------------------

case_begin "doctor says which kind of machine this is and that recording works"
run rrtest doctor
expect_status 0
expect_stdout_matches '^kind of machine: (A|B|other)'
expect_stdout_has "recording works here: yes"
expect_stdout_lacks "unknown"
run rrtest doctor --json
expect_status 0
expect python3 -c '
import json, sys
doctor = json.load(open(sys.argv[1]))
assert doctor["kind"] in ("A", "B", "other")
assert doctor["can_record"] is True
assert doctor["probes"]["stop_us"] > 0' "$OUT"

case_begin "doctor --image accounts for the loops of an image"
for file in /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 /bin/bash \
    /usr/bin/python3 /usr/bin/perl /usr/bin/git; do
    [ -e "$file" ] || continue
    run rrtest doctor --image "$(readlink -f "$file")"
    expect_status 0
    expect_stdout_matches '^loops accounted for otherwise: [0-9]+ .*; not counted: 0$'
done

case_begin "memory is not written behind the recorder's back"
run rrtest record -o trace -- /usr/bin/perl -e 'exit(open(my $m, "+<", "/proc/self/mem") ? 1 : $!{EACCES} ? 7 : 2)'
expect_status 7
expect_stderr_has "/mem for writing: such writes are not recorded"
run rrtest replay --quiet --verify trace
expect_status 7

case_begin "doctor --image of what is no ELF file"
echo text >file
run rrtest doctor --image file
expect_status 2
expect_stderr_has "file"

finish
