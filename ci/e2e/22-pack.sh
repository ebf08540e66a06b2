#!/bin/bash
# Packed traces: one file, the same bytes each time, which replays without what was recorded, elsewhere, as
# somebody else; and which nothing bad comes from. E2E_PACK_DAMAGE: drawn positions (default 60).
. "$(dirname "$0")/lib.sh"

chmod 755 "$WORK" # others are to reach the traces

# A root directory of its own with rrtest and its libraries and nothing else: no recorded file is there.
bare_root() {
    local library
    mkdir -p "$1/tmp" "$1/proc" "$1/dev" && chmod 1777 "$1/tmp" && cp "$RRTEST" "$1/rrtest" || return
    : >"$1/dev/null"
    ldd "$RRTEST" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$1$(dirname "$library")" && cp -L "$library" "$1$library" || return
    done
}

# replays_bare STATUS FILE: in a root of its own, with the same output as $TMP/expected.
replays_bare() {
    local prepare=
    bare_root "$TMP/root"
    # Replay does without /proc; the leak checker of a sanitized rrtest does not.
    ! grep -q __asan_init "$RRTEST" || prepare="mount --rbind /proc '$TMP/root/proc' &&"
    cp "$2" "$TMP/root/trace.rrt"
    run unshare -rm sh -c "$prepare exec chroot '$TMP/root' /rrtest replay --quiet --verify /trace.rrt"
    expect_status "$1"
    expect_same "$TMP/expected" "$OUT"
    expect [ -z "$(ls "$TMP/root/tmp")" ]
}

# packs NAME STATUS COMMAND...: record, pack twice, lose the trace and all caches, replay.
packs() {
    local status=$2
    case_begin "$1: packed, then replayed where nothing of it is"
    shift 2
    run env XDG_CACHE_HOME="$TMP/cache" "$RRTEST" record --quiet -o trace -- "$@"
    expect_status "$status"
    cp "$OUT" expected
    run rrtest pack trace -o one.rrt
    expect_status 0
    expect_stderr_matches '^rrtest: one.rrt: [0-9]+ files, .* packed into '
    cp -r trace again # other inodes and times, no links
    run rrtest pack --quiet again -o two.rrt
    expect_stderr_empty
    expect_same one.rrt two.rrt
    run rrtest unpack one.rrt -o unpacked
    expect_status 0
    expect diff -r trace unpacked
    expect rm -r trace again cache unpacked
    run rrtest replay --quiet --verify one.rrt
    expect_status "$status"
    expect_same expected "$OUT"
    replays_bare "$status" one.rrt
}

cat >"$WORK/threads.py" <<'PY'
import threading
lock, found = threading.Lock(), []
def work(i):
    with lock:
        found.append(sum(range(i * 1000)))
threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(found))
PY
packs "python with threads" 0 python3 "$WORK/threads.py"
cp "$PROGRAMS/exceptions" "$WORK/program"
packs "a C++ program" 0 "$WORK/program"
packs "processes" 3 bash -c 'seq 300 | sort -rn | head -n 5 | tr 0-9 a-j; (exit 3)'

case_begin "a C++ program that is gone"
cp "$PROGRAMS/exceptions" program
run rrtest record --quiet -o trace ./program
cp "$OUT" expected
run rrtest pack --quiet trace -o F.rrt
rm -r program trace
run rrtest replay --quiet --verify F.rrt
expect_status 0
expect_same expected "$OUT"

case_begin "a failing run that the runner kept"
sed "s|\\.\\./build/release/scenarios|$SCENARIOS|" "$ROOT/scenarios/suite.yaml" >suite.yaml
run rrtest run suite.yaml --seed 1 --filter lost-update --out kept
expect_status 1
trace=$(dirname "$(find kept -name events.zst | head -n 1)")
run rrtest replay --quiet --verify "$trace"
status=$STATUS
cp "$OUT" expected
cp "$ERR" expected-err
run rrtest pack --quiet "$trace" -o F.rrt
expect_status 0
rm -r kept
run rrtest replay --quiet --verify F.rrt
expect_status "$status"
expect_same expected "$OUT"
expect_same expected-err "$ERR"

case_begin "names: the trace's by default; the latest trace; nothing is overwritten"
run rrtest record --quiet sh -c 'exit 4'
run rrtest pack
expect_status 0
expect_file sh-0.rrt
run rrtest pack
expect_status 2
expect_stderr_has "sh-0.rrt exists"
run rrtest pack --force
expect_status 0
run rrtest unpack sh-0.rrt
expect_status 0
run rrtest unpack sh-0.rrt
expect_status 2
expect_stderr_has "sh-0 exists"
run rrtest replay --quiet sh-0
expect_status 4
run rrtest pack sh-0.rrt -o other.rrt
expect_status 2
expect_stderr_has "is it packed already?"
run rrtest pack nowhere -o other.rrt
expect_status 2
expect_no_file other.rrt
run rrtest stats --json sh-0.rrt
expect_status 0
expect_stdout_has '"verdict": "exit 4"'
run rrtest dump sh-0.rrt
expect_status 0
cp "$OUT" expected
run rrtest dump sh-0
expect_same expected "$OUT"
run rrtest timeline sh-0 -o - # a packed trace is a trace to all that read one
cp "$OUT" expected
run rrtest timeline sh-0.rrt -o -
expect_status 0
expect_same expected "$OUT"

case_begin "a damaged trace is not packed"
run rrtest record --quiet -o trace "$PROGRAMS/nolibc"
cp -r trace cut && truncate -s -9 cut/data.zst
run rrtest pack cut -o F.rrt
expect_status 2
expect_stderr_has "cut/data.zst"
image=$(ls trace/images/0001-*)
cp "$image" copy && printf x | dd of=copy bs=1 seek=5 conv=notrunc 2>/dev/null && mv copy "$image"
run rrtest pack trace -o F.rrt
expect_status 2
expect_stderr_has "images/0001-"
expect_no_file F.rrt
expect [ "$(ls)" = "$(printf 'cut\ntrace')" ]

# as_nobody COMMAND...: with nothing in the environment, no home, no rights to come by.
as_nobody() {
    run env -i TMPDIR="$TMP/free" setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$@"
}

case_begin "as nobody, from directory and file, read-only, in a directory that is gone"
if [ "$(id -u)" != 0 ]; then
    skip "not root"
else
    mkdir -m 1777 free
    chmod 755 .
    (umask 077 && mkdir home && cd home && timeout 60 "$RRTEST" record --quiet -o "$TMP/trace" -- \
        python3 "$WORK/threads.py" >"$TMP/expected" 2>&1 </dev/null)
    run rrtest pack --quiet trace -o F.rrt
    cp "$RRTEST" rrtest
    as_nobody "$TMP/rrtest" replay --quiet --verify trace
    expect_status 125 # mode 0700 was asked for
    expect_stderr_has "Permission denied"
    as_nobody "$TMP/rrtest" replay --quiet --verify F.rrt
    expect_status 0
    expect_same expected "$OUT"
    chmod -R a+rX,a-w trace
    as_nobody "$TMP/rrtest" replay --quiet --verify trace
    expect_status 0
    expect_same expected "$OUT"
    as_nobody unshare -rm "$TMP/rrtest" replay --quiet --verify F.rrt
    expect_status 0
    run unshare -m sh -c "mount --bind '$TMP' '$TMP' && mount -o remount,bind,ro,noexec '$TMP' && cd '$TMP' &&
        ! touch x 2>/dev/null && exec '$RRTEST' replay --quiet --verify trace"
    expect_status 0
    expect_same expected "$OUT"
    run unshare -m sh -c "mount -t tmpfs -o noexec,mode=1777 x '$TMP/free' && TMPDIR='$TMP/free' exec \
        '$RRTEST' replay --quiet --verify F.rrt"
    expect_status 0
    expect_same expected "$OUT"
    mkdir gone && cd gone && rmdir ../gone
    as_nobody "$TMP/rrtest" replay --quiet --verify "$TMP/F.rrt"
    expect_status 0
    cd "$TMP" || exit 99
    expect [ -z "$(ls free)" ]
fi

case_begin "another processor: what is missing is named, --force tries"
run rrtest record --quiet -o trace "$PROGRAMS/nolibc"
expect_status 0
cp "$OUT" expected
cp -r trace same
run "$E2E/packs.py" claim same 1 0 eax 0
run rrtest replay --quiet --verify same
expect_status 0
run "$E2E/packs.py" claim trace 0x80000001 0 edx 0x80000000
expect_status 0
run "$E2E/packs.py" claim trace 7 0 ebx 0x10000
expect_status 0
run rrtest replay --quiet trace
expect_status 125
expect_stderr_matches 'recorded with (avx512f, )?3dnow, which this processor does not have: .*--force'
run rrtest replay --quiet --force trace
expect_status 0
expect_same expected "$OUT"
run rrtest pack --quiet trace -o F.rrt # on the machine that has it, it may be fine
run rrtest replay --quiet F.rrt
expect_status 125
expect_stderr_has "3dnow, which this processor does not have"

case_begin "nothing is left behind, however it ends"
mkdir tmp && export TMPDIR=$TMP/tmp
is_tidy() { [ -z "$(ls "$TMP/tmp")" ]; }
is_unpacked() { [ -e "$(echo "$TMP/tmp/rrtest-"*/stdout)" ]; } # the last file
run rrtest record --quiet -o long -- python3 -c 'for i in range(20000000): pass'
run rrtest pack --quiet long -o F.rrt
expect_status 0
"$RRTEST" dump F.rrt | head -n 1 >"$OUT"
expect wait_until 5 is_tidy
for signal in TERM:143 HUP:129 KILL:137; do
    timeout 20 "$RRTEST" replay --verify F.rrt >"$OUT" 2>"$ERR" </dev/null &
    waiting=$!
    wait_until 5 is_unpacked
    # shellcheck disable=SC2046 # several
    kill "-${signal%:*}" $(ps -o pid= --ppid "$waiting") 2>/dev/null
    wait "$waiting" 2>/dev/null
    STATUS=$?
    expect_status "${signal#*:}" # it was in the middle
    expect wait_until 5 is_tidy
done
unset TMPDIR

case_begin "no room, no directory to unpack to"
run rrtest record --quiet -o trace python3 -c 'print(1)'
run rrtest pack --quiet trace -o F.rrt
TMPDIR=$TMP/none run rrtest replay F.rrt
expect_status 125
expect_stderr_has "set TMPDIR"
mkdir small
run unshare -rm sh -c "mount -t tmpfs -o size=2M x '$TMP/small' && TMPDIR='$TMP/small' '$RRTEST' replay F.rrt
    status=\$?; ls '$TMP/small'; exit \$status"
if [ "$STATUS" = 1 ]; then
    skip "no mounts here"
fi
expect_status 125
expect_stderr_has "has room for"
expect_stdout ""

case_begin "hostile archives: one error, nothing written"
run rrtest record --quiet -o trace "$PROGRAMS/nolibc"
run rrtest pack --quiet trace -o F.rrt
mkdir hostile target
run "$E2E/packs.py" hostile F.rrt hostile
expect_status 0
names=$(cat "$OUT")
expect [ "$(echo "$names" | wc -l)" -ge 40 ]
for name in $names; do
    holds || break
    run rrtest unpack "hostile/$name.rrt" -o target/trace
    case $name in
    sound | plain-tar)
        expect_status 0
        expect diff -r trace target/trace
        rm -r target/trace
        ;;
    *)
        [ "$STATUS" = 2 ] || fail "$name: status $STATUS"
        [ "$(wc -l <"$ERR")" = 1 ] || fail "$name: expected one line of error"
        [ -z "$(ls -A target)" ] || fail "$name: something was written"
        [ "$(ls)" = "$(printf 'F.rrt\nhostile\ntarget\ntrace')" ] || fail "$name: something was written beside"
        expect_no_file /etc/rrtest-hostile
        ;;
    esac
done

case_begin "damaged packs"
run rrtest record --quiet -o trace "$PROGRAMS/nolibc"
expect_status 0
cp "$OUT" expected
run rrtest pack --quiet trace -o F.rrt
TIMEOUT=${E2E_DAMAGE_TIMEOUT:-600}
run "$E2E/packs.py" damage "$RRTEST" F.rrt "${E2E_PACK_DAMAGE:-60}" "${E2E_SEED:-1}" 0 expected
expect_status 0
expect_stdout_has " 0 violations"
finish
