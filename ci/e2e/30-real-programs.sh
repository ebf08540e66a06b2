#!/bin/bash
# Programs nobody here wrote record and replay exactly and do what they do natively.
# E2E_SEEDS: random schedules per program (default 2). Arguments choose programs.
. "$(dirname "$0")/lib.sh"
. "$E2E/compare.sh"

export GIT_CONFIG_NOSYSTEM=1 HOME=$WORK PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b

cat >"$WORK/threads.py" <<'PY'
import queue, subprocess, sys, threading, time

work, results = queue.Queue(), []
lock = threading.Lock()

def worker():
    while True:
        item = work.get()
        if item is None:
            return
        value = sum(i * i for i in range(item * 100))
        with lock:
            results.append((item, value))

threads = [threading.Thread(target=worker) for _ in range(4)]
for thread in threads:
    thread.start()
for item in range(40):
    work.put(item)
for _ in threads:
    work.put(None)
for thread in threads:
    thread.join()
print(len(results), sum(value for _, value in results))
time.sleep(0.05)
run = subprocess.run(["tr", "a-z", "A-Z"], input=b"through a subprocess\n", stdout=subprocess.PIPE)
sys.stdout.write(run.stdout.decode())
children = [subprocess.Popen(["sh", "-c", "exit %d" % i]) for i in range(3)]
print([child.wait() for child in children])
event = threading.Event()
print(event.wait(0.02))
sys.exit(3)
PY

cat >"$WORK/text.pl" <<'PL'
use strict;
my (%count, @list);
srand 7;
for my $i (1 .. 20000) { my $word = "w" . ($i * 7919 % 499); $count{$word}++; push @list, $word if $i % 100 == 0; }
my $text = join " ", sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
$text =~ s/w(\d)(\d*)/<$2$1>/g;
print length $text, " ", substr($text, 0, 60), "\n";
print join(",", map { lc } reverse sort @list[0 .. 9]), "\n";
my $pid = fork // die; if (!$pid) { exit 5 } waitpid $pid, 0; print $? >> 8, "\n";
open my $pipe, "-|", "echo from a pipe" or die; print <$pipe>; close $pipe;
local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; sleep 2; print "end\n";
PL

cat >"$WORK/git.sh" <<'SH'
set -e
cd "$TMPDIR" && mkdir repository && cd repository
git init -q -b main .
for i in 1 2 3 4 5; do seq $((i * 300)) >file$i; git add file$i; git commit -q -m "commit $i"; done
git mv file1 renamed && git commit -q -am rename
git log --format='%h %s' --stat
git gc -q && git fsck && git status --short && git show HEAD~2:file3 | tail -1
SH

{
    for i in $(seq 125); do
        echo "struct s$i { int a; long b; };"
        echo "static int f$i(int x, struct s$i *p)"
        echo "{"
        echo "    for (int i = 0; i < x; i++)"
        echo "        p->b += i * $i + p->a;"
        echo "    return (int)p->b;"
        echo "}"
        echo "int g$i(int x) { struct s$i s = {x, $i}; return f$i(x + 1, &s); }"
    done
} >"$WORK/thousand.c"

{
    echo "create table t(id integer primary key, name text, value real);"
    echo "create index byname on t(name);"
    echo "begin;"
    for i in $(seq 10000); do
        echo "insert into t values($i, 'name $((i * 7919 % 10007))', $i.5);"
    done
    echo "commit;"
    echo "select count(*), sum(value), max(name) from t where name like 'name 1%';"
    echo "select id from t order by name limit 5;"
} >"$WORK/insert.sql"

seq 200000 >"$WORK/numbers"

cat >"$WORK/workers.js" <<'JS'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
if (!isMainThread) {
    parentPort.postMessage(workerData * 7);
} else {
    const worker = n => new Promise(done => new Worker(__filename, { workerData: n }).on('message', done));
    setTimeout(async () => {
        console.log(await Promise.all([1, 2, 3].map(worker)));
        console.log(require('child_process').execFileSync('sh', ['-c', 'echo child']).toString());
        process.exitCode = 3;
    }, 20);
}
JS

cat >"$WORK/pool.py" <<'PY'
import multiprocessing
def square(x): return x * x
if __name__ == "__main__":
    with multiprocessing.Pool(3) as pool:
        print(pool.map(square, range(12)))
PY

# Programs too big for ci/packages.txt: where they are.
where_there() {
    local name=$1
    shift
    if command -v "$1" >/dev/null; then
        same_for_seeds "$name" "$@"
    else
        case_begin "$name"
        skip "no $1 here"
    fi
}

real() {
    case $1 in
    python) same_for_seeds python /usr/bin/python3 "$WORK/threads.py" ;;
    bash) same_for_seeds bash bash -c "cat $WORK/numbers | grep 7 | sed 's/7/seven/' | sort -r | uniq -c |
        head -3; echo \${PIPESTATUS[-1]}" ;;
    perl) same_for_seeds perl perl "$WORK/text.pl" ;;
    git) same_for_seeds git sh "$WORK/git.sh" ;;
    gzip) same_for_seeds gzip gzip -nc "$WORK/numbers" ;;
    xz) same_for_seeds xz xz -T2 -1 --block-size=200KiB -c "$WORK/numbers" ;;
    gcc) same_for_seeds gcc sh -c \
        "gcc -O1 -c $WORK/thousand.c -o \$TMPDIR/o.o && sha256sum <\$TMPDIR/o.o" ;;
    sqlite) same_for_seeds sqlite sh -c "sqlite3 \$TMPDIR/data.db <$WORK/insert.sql" ;;
    pool) same_for_seeds pool /usr/bin/python3 "$WORK/pool.py" ;;
    node) where_there node node "$WORK/workers.js" ;;
    java) where_there java java -version ;;
    cpp) same_for_seeds cpp "$PROGRAMS/exceptions" ;;
    esac
}

[ $# -gt 0 ] || set -- python bash perl git gzip xz gcc sqlite cpp pool node java
for program in "$@"; do
    real "$program"
done
finish
