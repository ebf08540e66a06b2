#!/bin/bash
# Every test program records and replays exactly and does what it does natively.
# E2E_SEEDS: random schedules per program (default 2). Arguments choose programs.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

ALL="nolibc hello_static hello hello_musl spin stray exceptions signals frames children restart process
    blocking descriptors queues waits sockets memory sync files misc clocks
    copied_text"

[ $# -gt 0 ] || set -- $ALL
for program in "$@"; do
    same_for_seeds "$program" "$PROGRAMS/$program"
    same_lazily "$program" "$PROGRAMS/$program"
done
# alone in its process, with nobody waiting for it: other calls are answered inside it then
same waits_alone 0 round-robin "$PROGRAMS/waits" partial_receives
same sockets_alone 0 round-robin "$PROGRAMS/sockets" tcp_options
same hello_arguments 1 random "$PROGRAMS/hello" arguments 42
finish
