#!/bin/bash
# Every closed source of nondeterminism: two runs print the same; and with its guard off, the same test sees
# that it is open.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

ALL="rdtsc random cpuid xgetbv vdso rseq io_uring at_random aslr time pids directory_order inodes tmpdir
    network getrandom cpus maps leftovers"
GUARDED="rdtsc random cpuid vdso rseq io_uring at_random aslr time pids directory_order tmpdir network
    getrandom"
LAST_CORE=$(($(nproc) - 1))
mkdir "$WORK/temporary"

# A listener outside, whose port must be free inside.
perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
    open my $f, ">", "$ARGV[0].new" or die; print $f $s->sockport; close $f;
    rename "$ARGV[0].new", $ARGV[0]; sleep 3600' "$WORK/port" &
LISTENER=$!
trap 'kill $LISTENER 2>/dev/null; clean_up' EXIT
wait_until 10 [ -e "$WORK/port" ] || exit 99
PROBE_PORT=$(cat "$WORK/port")
export PROBE_PORT

# probe TRACE CORE CASE: one recording, on one core
probe() {
    run env TMPDIR="$WORK/temporary" taskset -c "$2" "$RRTEST" record --quiet -o "$1" --seed 9 -- \
        "$PROGRAMS/probe" "$3"
}

for name in $ALL; do
    case_begin "$name: two runs are one, and replay"
    probe trace1 0 "$name"
    expect_status 0
    keep_as "$WORK/$name"
    sleep 0.02
    probe trace2 "$LAST_CORE" "$name"
    expect_as "$WORK/$name"
    run rrtest replay --quiet --verify trace1
    expect_as "$WORK/$name"
    case $name in
    cpuid) [ ! -s "$OUT" ] || expect_stdout_has "rtm 0 hle 0 rdpid 0 waitpkg 0" ;;
    vdso) expect_stdout "vdso absent" ;;
    rseq) expect_stdout "rseq -1 not there" ;;
    io_uring) expect_stdout "io_uring -1 not there" ;;
    tmpdir) expect_stdout_has fresh ;;
    network)
        expect_stdout_has "bind 0 port $PROBE_PORT"
        expect [ "$(grep -c ^interface "$OUT")" = 1 ]
        ;;
    maps) expect_stdout_lacks ZONE ;;
    esac
done

for name in $GUARDED; do
    case_begin "$name: the test notices that the guard is off"
    different=no
    for core in 0 "$LAST_CORE"; do
        RRTEST_GUARD_OFF=$name probe "trace$core" "$core" "$name"
        cmp -s "$OUT" "$WORK/$name.stdout" || different=yes
    done
    expect [ $different = yes ]
done
finish
