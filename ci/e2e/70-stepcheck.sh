#!/bin/bash
# Rewritten programs, instruction by instruction: control never enters a window's interior, and no cycle goes
# without a tick (stepcheck/path.h says what a cycle is). RRTEST_STEPS steps of each program (default 1000000)
# from points that RRTEST_SEED draws (default 1).
. "$(dirname "$0")/lib.sh"

STEPS=${RRTEST_STEPS:-1000000}
SEED=${RRTEST_SEED:-1}
CHECK=$PROGRAMS/stepcheck
LANES=2 # as many as the smallest machine has cores
SUBJECTS="bash perl python3 git openssl cplusplus"
[ -x "$CHECK" ] || exit 99

make_repository() {
    mkdir "$WORK/repository" && cd "$WORK/repository" && git init -q . || return
    for i in 1 2 3 4 5 6 7 8; do
        seq $((i * 7)) $((i * 400)) >"file$((i % 5))"
        git add . && git -c user.name=n -c user.email=e -c commit.gpgsign=false commit -qm "change $i" ||
            return
    done
}

subject() {
    case $1 in
    bash) set -- bash -c 'f() { local a=$1; [[ $a == *7* ]] && n=$((n + a)); case $a in 1?) m=$m$a ;; esac; }
            for ((i = 0; i < 3000; i++)); do f $i; s=${s:1}$i; s=${s/4/x}; done
            echo $n $m ${#s} | cat; printf "%s\n" {a..e}{1..9} | sort -r | head -n 3' ;;
    perl) set -- perl -e 'my (%h, $n); $h{"k" . $_ * 7 % 1000} .= "ab$_" for 1 .. 20000;
            for (sort { $h{$a} cmp $h{$b} || $a cmp $b } keys %h) { $n++ while $h{$_} =~ /(a)b\d+?(\d+)/g }
            print $n, " ", join(",", map { sprintf "%.3f", sqrt } 1 .. 50), "\n"; eval { die "x\n" }; print $@' ;;
    python3) set -- python3 -c 'import json, re, decimal, collections
d = {str(i): [i * i, "x" * (i % 9), i / 7] for i in range(4000)}
s = json.dumps(d, sort_keys=True)
print(len(s), json.loads(s) == d, len(re.findall(r"\d+(?=,)", s)), 3 ** 2000 % 10007)
print(decimal.Decimal(2).sqrt(), collections.Counter(s).most_common(2))
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(17))
try: fib(None)
except TypeError as e: print(e)' ;;
    git) set -- git -C "$WORK/repository" --no-pager log -p --stat --topo-order ;;
    openssl) set -- bash -c 'seq 30000 >"$0"; openssl dgst -sha256 "$0"; openssl dgst -sha3-512 "$0"
            openssl enc -aes-256-gcm 2>&1 | head -n 1
            openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0123456789abcdef <"$0" |
                openssl dgst -md5
            openssl genpkey -algorithm ed25519 -out "$0.key"; openssl pkeyutl -sign -inkey "$0.key" \
                -rawin -in "$0" | openssl base64; openssl prime -generate -bits 256 | wc -c' "$WORK/data" ;;
    cplusplus) set -- "$PROGRAMS/exceptions" ;;
    esac
    "$CHECK" --steps "$STEPS" --seed "$SEED" "$@"
}

# Several at once: a case below waits for its own.
lane() {
    local i=0 name
    for name in $SUBJECTS; do
        [ $((i++ % LANES)) = "$1" ] || continue
        timeout -k 5 "${STEPCHECK_TIMEOUT:-600}" bash -c "$(declare -f subject); subject $name" \
            >"$WORK/$name.out" 2>"$WORK/$name.err" </dev/null
        echo $? >"$WORK/$name.done.new" && mv "$WORK/$name.done.new" "$WORK/$name.done"
    done
}

make_repository >/dev/null || exit 99
cd "$WORK" || exit 99
export CHECK STEPS SEED WORK PROGRAMS
for ((i = 0; i < LANES; i++)); do
    lane $i &
done

for name in $SUBJECTS; do
    case_begin "$name: $STEPS steps, no entry into an interior, no cycle without a tick"
    wait_until 1500 [ -e "$WORK/$name.done" ]
    cp "$WORK/$name.out" "$OUT"
    cp "$WORK/$name.err" "$ERR"
    LAST="stepcheck --steps $STEPS --seed $SEED ($name)"
    STATUS=$(cat "$WORK/$name.done")
    expect_status 0
    expect_stdout_has " 0 entries into interiors"
    tail -n 1 "$OUT" | sed "s/^/    $name: /"
done

case_begin "the checker sees an entry into an interior"
run "$CHECK" --steps 1000000 --at 0 "$PROGRAMS/stray" plain
expect_status 1
expect_stderr_has "entered "
expect_stdout_lacks " 0 entries into interiors"

case_begin "the checker sees a cycle without a tick"
run "$CHECK" --steps 20000 --seed 3 --blind "$PROGRAMS/exceptions"
expect_status 1
expect_stderr_has "cycle without a tick"

finish
