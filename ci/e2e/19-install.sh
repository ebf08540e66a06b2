#!/bin/bash
# What an installation holds and that it works without the build folder: program, man pages, completions,
# the CMake package, .deb and .tar.zst; and the examples of ci/examples, as far as they run here.
. "$(dirname "$0")/lib.sh"

EXAMPLES=$ROOT/ci/examples
unset GITHUB_STEP_SUMMARY GITHUB_WORKSPACE
for variable in $(compgen -e | grep -E '^(TEST_|CI_NODE|SLURM_|JOB_COMPLETION|RRTEST_SHARD|XML_OUTPUT)'); do
    unset "$variable"
done

# A packaged program runs from anywhere.
PREFIX=$WORK/moved
ninja -C "$BUILD" rrtest_documents >"$WORK/ninja.log" 2>&1 || { cat "$WORK/ninja.log" >&2; exit 99; }
cmake --install "$BUILD" --prefix "$WORK/prefix" --strip >"$WORK/install.log" 2>&1 ||
    { cat "$WORK/install.log" >&2; exit 99; }
mv "$WORK/prefix" "$PREFIX"
COMMANDS=$("$PREFIX/bin/rrtest" help | sed -n 's/^  rrtest \([a-z]*\) .*/\1/p' | grep -vxE 'help|version')

case_begin "an installation that was moved records, replays and reports"
run "$PREFIX/bin/rrtest" record -q -o trace sh -c 'echo hello; exit 3'
expect_status 3
run "$PREFIX/bin/rrtest" replay -q trace
expect_status 3
expect_stdout hello
run "$PREFIX/bin/rrtest" run --runs 2 --keep none -- true
expect_status 0
# (a sanitized program names its sources)
grep -q __asan_init "$PREFIX/bin/rrtest" ||
    expect [ "$(strings "$PREFIX/bin/rrtest" | grep -cF "$BUILD/")" = 0 ]

case_begin "the schemas are installed and are those that the program prints"
for schema in suite results; do
    [ ! -e "$ROOT/scenarios/$schema.schema.json" ] ||
        expect_same "$ROOT/scenarios/$schema.schema.json" "$PREFIX/share/rrtest/$schema.schema.json"
done

# --- man pages ---------------------------------------------------------------------------------------

case_begin "every command has a page, with all its options, and man finds nothing wrong with it"
expect [ "$(wc -w <<<"$COMMANDS")" -ge 8 ]
for name in '' $COMMANDS; do
    page=$PREFIX/share/man/man1/rrtest${name:+-$name}.1
    expect_file "$page"
    if command -v man >/dev/null; then
        MANWIDTH=80 run man --warnings -l "$page"
        expect_status 0
        expect_stderr_empty
    fi
    if command -v groff >/dev/null; then
        run groff -man -Tutf8 -ww -z "$page"
        expect_stderr_empty
    fi
    if command -v mandoc >/dev/null; then
        run mandoc -T lint -W warning "$page"
        expect_status 0
        expect_stdout ""
        [ -n "$name" ] || continue
        mandoc -T utf8 "$page" | sed 's/.\x08//g' >text
        for option in $("$RRTEST" "$name" --help | sed -n '/^exit status/q; s/^ .*--\([a-z-]*\) .*/\1/p'); do
            expect grep -qE -e "--$option\b" text
        done
    fi
done

case_begin "exit statuses are in the help of run, record and replay, and in their pages"
for name in run record replay; do
    run rrtest help "$name"
    expect_status 0
    expect_stdout_has "exit status:"
    expect grep -q "EXIT STATUS" "$PREFIX/share/man/man1/rrtest-$name.1"
done
run rrtest help replay
expect_stdout_matches '^  70 +divergence'

case_begin "help: mistakes"
run rrtest help recrod
expect_status 2
expect_stderr_has "did you mean 'record'?"
run rrtest help run record
expect_status 2
run rrtest help --completion tcsh
expect_status 2
expect_stderr_has "expected bash, zsh or fish"

# --- completions -------------------------------------------------------------------------------------

# completed WORDS...: what bash offers for the last word.
completed() {
    bash -c '
        . "$1"
        complete -p rrtest >/dev/null || exit 1
        compopt() { :; }
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _rrtest
        printf "%s\n" "${COMPREPLY[@]}"' _ "$PREFIX/share/bash-completion/completions/rrtest" "$@" |
        sort | tr '\n' ' '
}

case_begin "bash completes commands, options, values and files"
touch a.yaml b.yml c.txt
mkdir folder
expect [ "$(completed rrtest rec)" = "record " ]
expect [ "$(completed rrtest --color always rec)" = "record " ]
expect [ "$(completed rrtest help dump)" = "dump " ]
expect [ "$(completed rrtest run --strat)" = "--strategy " ]
expect [ "$(completed rrtest run --strategy rou)" = "round-robin " ]
expect [ "$(completed rrtest run --strategy = rou)" = "round-robin " ]
expect [ "$(completed rrtest run --keep '')" = "all failures none " ]
expect [ "$(completed rrtest run --out f)" = "folder " ]
expect [ "$(completed rrtest run '')" = "a.yaml b.yml folder " ]
expect [ "$(completed rrtest run -n '')" = " " ]
expect [ "$(completed rrtest replay '')" = "folder " ]
expect [ "$(completed rrtest import '')" = "cmocka ctest gtest tap " ]
expect [ "$(completed rrtest run -- ./c.)" = "./c.txt " ]
expect [ "$(completed rrtest run --no-such)" = " " ]
for name in $COMMANDS; do
    for option in $("$RRTEST" "$name" --help | sed -n '/^exit status/q; s/^ .*--\([a-z-]*\) .*/\1/p'); do
        expect grep -qwF -e "--$option" <<<"$(completed rrtest "$name" "--$option")"
    done
done

case_begin "zsh takes its completions"
if command -v zsh >/dev/null; then
    run zsh -n "$PREFIX/share/zsh/vendor-completions/_rrtest"
    expect_status 0
    expect_stderr_empty
    run zsh -f -c 'autoload -Uz compinit; compinit -u -d "$1"
        . "$2"; print -r -- $_comps[rrtest]' _ "$TMP/dump" "$PREFIX/share/zsh/vendor-completions/_rrtest"
    expect_stdout _rrtest
else
    skip "no zsh"
fi

case_begin "fish completes commands, options and values"
if command -v fish >/dev/null; then
    run fish -n "$PREFIX/share/fish/vendor_completions.d/rrtest.fish"
    expect_status 0
    run env HOME="$TMP" fish --no-config -c "source $PREFIX/share/fish/vendor_completions.d/rrtest.fish
        complete -C 'rrtest rec'; complete -C 'rrtest run --strat'; complete -C 'rrtest run --keep fail'"
    expect_stdout_matches '^record\b'
    expect_stdout_matches '^--strategy\b'
    expect_stdout_matches '^failures\b'
else
    skip "no fish"
fi

# --- options in front of the command, colours -------------------------------------------------------

case_begin "--color, --quiet and --version"
run rrtest --color always run --runs 1 -- true
expect_status 0
expect grep -q $'\033\\[32m' "$OUT"
run rrtest run --color=never --runs 1 -- true
expect_status 0
expect [ "$(grep -c $'\033' "$OUT")" = 0 ]
run env NO_COLOR=1 "$RRTEST" --color always run --runs 1 -- true
expect grep -q $'\033' "$OUT"
run rrtest --color sometimes run --runs 1 -- true
expect_status 2
expect_stderr_has "--color: expected auto, always or never"
run rrtest --quiet record -o trace true
expect_status 0
expect_stderr_empty
run rrtest --color never ls .
expect_status 0
run "$PREFIX/bin/rrtest" --version
expect_status 0

if command -v script >/dev/null; then
    case_begin "colours on a terminal, but not with NO_COLOR or TERM=dumb"
    colored() {
        env TERM=xterm "$@" script -qec "'$RRTEST' run --runs 1 -- true" /dev/null </dev/null | grep -c $'\033\[32m'
    }
    expect [ "$(colored)" != 0 ]
    expect [ "$(colored NO_COLOR=)" != 0 ]
    expect [ "$(colored NO_COLOR=1)" = 0 ]
    expect [ "$(colored TERM=dumb)" = 0 ]
fi

# --- the CMake package -------------------------------------------------------------------------------

# configure OPTIONS...: the example project in ./project, built.
configure() {
    cp -r "$EXAMPLES/cmake" project
    run cmake -S project -B project/build -DCMAKE_BUILD_TYPE=Debug "$@"
    expect_status 0
    run cmake --build project/build
    expect_status 0
}

case_begin "find_package(Rrtest), rrtest_add_hunt(): the tests pass, the hunt finds the race"
configure -DCMAKE_PREFIX_PATH="$PREFIX"
run ctest --test-dir project/build -LE hunt
expect_status 0
run env TIMEOUT=300 ctest --test-dir project/build -L hunt --output-on-failure
expect_status 8
expect_stdout_has "hunt.queue_test"
expect_stdout_has "FAIL  queue_test"
expect_stdout_has "1 items"
expect [ "$(find project/build/rrtest-hunts/queue_test -name events.zst | wc -l)" = 1 ]
run ctest --test-dir project/build -L queue -N
expect_stdout_has "Total Tests: 1"

case_begin "a machine that cannot record skips the hunt"
printf '#!/bin/sh\necho this machine cannot record >&2\nexit 3\n' >rrtest
chmod +x rrtest
cp -r "$EXAMPLES/cmake" project
sed -i "s|^find_package(Rrtest)|&\nset(Rrtest_EXECUTABLE $TMP/rrtest)|" project/CMakeLists.txt
run cmake -S project -B project/build -DCMAKE_PREFIX_PATH="$PREFIX"
run cmake --build project/build
run ctest --test-dir project/build -L hunt
expect_status 0
expect_stdout_has "***Skipped"

case_begin "FindRrtest.cmake finds the program in PATH; all arguments arrive"
mkdir modules
cp "$PREFIX"/lib*/cmake/Rrtest/{FindRrtest,RrtestHunt}.cmake modules/ 2>/dev/null ||
    cp "$PREFIX"/lib/*/cmake/Rrtest/{FindRrtest,RrtestHunt}.cmake modules/
cp -r "$EXAMPLES/cmake" project
cat >project/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.16)
project(queue C)
enable_testing()
find_package(Rrtest 0.1 MODULE REQUIRED)
add_executable(queue_test queue_test.c)
rrtest_add_hunt(queue_test NAME other RUNS 7 SEED 5 STRATEGY random TIMEOUT 10 RUN_TIMEOUT 2s
    EXPECT_EXIT 0 LABELS a b ARGS x "y z" INJECT SIGUSR1:at=futex SIGUSR2)
CMAKE
run env PATH="$PREFIX/bin:$PATH" cmake -S project -B project/build -DCMAKE_MODULE_PATH="$TMP/modules" \
    -DCMAKE_FIND_PACKAGE_PREFER_CONFIG=OFF
expect_status 0
run ctest --test-dir project/build --show-only=json-v1
expect python3 - "$OUT" "$PREFIX" "$TMP" <<'PY'
import json, sys
test, = json.load(open(sys.argv[1]))["tests"]
assert test["name"] == "hunt.other", test
build = sys.argv[3] + "/project/build"
assert test["command"] == [sys.argv[2] + "/bin/rrtest", "run", "--out", build + "/rrtest-hunts/other",
    "--time-budget", "9000ms", "--runs", "7", "--seed", "5", "--strategy", "random", "--timeout", "2s",
    "--expect-exit", "0", "--inject", "SIGUSR1:at=futex", "--inject", "SIGUSR2", "--",
    build + "/queue_test", "x", "y z"], test["command"]
properties = {p["name"]: p["value"] for p in test["properties"]}
assert properties["LABELS"] == ["a", "b", "hunt"], properties
assert properties["TIMEOUT"] == 10 and properties["SKIP_RETURN_CODE"] == 3, properties
PY

case_begin "rrtest_add_hunt(): mistakes"
cp -r "$EXAMPLES/cmake" project
for line in "rrtest_add_hunt(queue_test RUNZ 3)|unknown argument RUNZ" \
    "rrtest_add_hunt(no_target)|there is no such target" \
    "rrtest_add_hunt(queue_test TIMEOUT soon)|TIMEOUT: expected seconds, got soon"; do
    sed "s/^    rrtest_add_hunt.*/    ${line%%|*}/" "$EXAMPLES/cmake/CMakeLists.txt" >project/CMakeLists.txt
    run cmake -S project -B project/build -DCMAKE_PREFIX_PATH="$PREFIX"
    expect_status 1
    expect_stderr_has "${line#*|}"
done

# --- packages ----------------------------------------------------------------------------------------

case_begin "cpack: a .deb with its dependencies, and a .tar.zst; both work"
TIMEOUT=600 run cpack --config "$BUILD/CPackConfig.cmake" -B pack
expect_status 0
deb=$(echo pack/*.deb)
expect_file "$deb"
run dpkg-deb -I "$deb"
for library in libc6 libzstd1 libyaml-0-2 libzydis; do
    expect_stdout_matches "Depends:.* $library"
done
run dpkg-deb -x "$deb" deb
run ./deb/usr/bin/rrtest record -q -o trace sh -c 'exit 4'
expect_status 4
expect_file deb/usr/share/man/man1/rrtest-run.1
expect_file deb/usr/share/bash-completion/completions/rrtest
mkdir tar
run tar -C tar --strip-components=1 -xf pack/*.tar.zst
expect_status 0
run ./tar/bin/rrtest replay -q trace
expect_status 4

# --- examples ----------------------------------------------------------------------------------------

node=$(. "$ROOT/ci/lib.sh" && lock && node_modules >&2 && echo ready)
checked() {
    run node "$E2E/examples.mjs" "$ROOT/build" "$@"
}

# example KIND FILE PATTERN REPLACEMENT: right as it is, and refused with the replacement.
example() {
    case_begin "examples: $1 is what its engine takes"
    if [ "$node" != ready ]; then
        skip "the packages of ci/node/package.json cannot be had"
        return
    fi
    checked "$1" "$EXAMPLES/$2"
    expect_status 0
    expect_stdout ""
    sed "s/$3/$4/" "$EXAMPLES/$2" >broken.yml
    checked "$1" broken.yml
    expect_status 1
    expect_stdout_has "broken.yml: "
}
example github github/rrtest.yml 'needs: hunt' 'needs: hnt'
example gitlab gitlab/gitlab-ci.yml 'script:' 'scrpt:'
example kubernetes kubernetes/hunt.yaml 'mountPath' 'mauntPath'

case_begin "examples: the shell scripts are clean"
if command -v shellcheck >/dev/null; then
    run shellcheck "$EXAMPLES"/bazel/hunt.sh "$EXAMPLES"/slurm/*.sbatch
    expect_status 0
else
    skip "no shellcheck"
fi

# What a shell of the engine finds: rrtest that notes how it was called, and nothing else of ours.
engine() {
    mkdir -p bin project/build
    cat >bin/rrtest <<SH
#!/bin/sh
echo "\$*" >>"$TMP/calls"
exec "$RRTEST" "\$@"
SH
    for name in apt-get sudo cmake; do
        printf '#!/bin/sh\nexit 0\n' >bin/$name
    done
    chmod +x bin/*
    {
        echo "version: 1"
        echo "defaults: {runs: 3}"
        echo "tests:"
        for name in a b c d; do
            echo "  - {name: $name, command: [sh, -c, 'exit 0']}"
        done
        echo "  - {name: bad, command: [sh, -c, 'exit 1']}"
    } >project/suite.yaml
    cp project/suite.yaml project/build/suite.yaml
    cd project || exit 99
}

# script FILE KEY...: the lines behind the keys of a YAML file, as one script without its import and
# installation; a list's item is a number.
script() {
    python3 - "$@" <<'PY'
import sys, yaml
node = yaml.safe_load(open(sys.argv[1]))
for key in sys.argv[2:]:
    node = node[int(key)] if key.isdigit() else node[key]
lines = node if isinstance(node, list) else [str(node)]
print("\n".join(line for line in lines if not line.startswith(("rrtest import", "cmake"))))
PY
}

# in_engine VARIABLE=VALUE... -- COMMAND...: as the engine would run it.
in_engine() {
    local variables=()
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    shift
    run env -i PATH="$TMP/bin:$PATH" HOME="$TMP" XDG_CACHE_HOME="$XDG_CACHE_HOME" XDG_DATA_HOME="$XDG_DATA_HOME" \
        LC_ALL=C "${variables[@]}" "$@"
}

# Five tests in four shards: a and bad are shard 1's, b is shard 2's.
case_begin "examples: four shards of GitLab's job, then its report"
engine
script "$EXAMPLES/gitlab/gitlab-ci.yml" hunt script >hunt.sh
script "$EXAMPLES/gitlab/gitlab-ci.yml" report script >report.sh
for shard in 1 2 3 4; do
    in_engine CI_NODE_INDEX=$shard CI_NODE_TOTAL=4 CI_PIPELINE_ID=77 -- sh -eu hunt.sh
    expect_status $((shard == 1))
    expect_file shard-$shard/results.json
    expect_file shard-$shard/junit.xml
done
in_engine -- sh -eu report.sh
expect_status 1
expect_stdout_matches '^FAIL +bad'
expect_stdout_has "4 passed, 1 failed"
expect_file merged/report.html
expect_file merged/results.json

case_begin "examples: four shards of GitHub's job, then its report"
engine
script "$EXAMPLES/github/rrtest.yml" jobs hunt steps 3 run >hunt.sh
script "$EXAMPLES/github/rrtest.yml" jobs report steps 3 run >report.sh
for shard in 1 2 3 4; do
    in_engine RRTEST_SHARD_INDEX=$shard RRTEST_SHARD_TOTAL=4 GITHUB_RUN_ID=77 -- bash -e hunt.sh
    expect_status $((shard == 1))
    [ $shard != 1 ] || expect_stdout_has "::error "
    mkdir -p shards
    mv rrtest-out shards/rrtest-shard-$shard
done
in_engine -- bash -e report.sh
expect_status 1
expect_stdout_has "4 passed, 1 failed"
expect_file merged/report.html

case_begin "examples: a Slurm array, whose indices need not begin at 1"
engine
for task in 5 6 7 8; do
    in_engine SLURM_ARRAY_JOB_ID=9 SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_MIN=5 \
        SLURM_ARRAY_TASK_COUNT=4 SLURM_CPUS_PER_TASK=1 -- bash "$EXAMPLES/slurm/hunt.sbatch" suite.yaml 77
    expect_status $((task == 5))
done
in_engine -- bash "$EXAMPLES/slurm/merge.sbatch" 9
expect_status 1
expect_stdout_has "4 passed, 1 failed"
expect_file rrtest-9-merged/report.html
in_engine SLURM_ARRAY_JOB_ID=9 SLURM_ARRAY_TASK_ID=1 -- bash "$EXAMPLES/slurm/hunt.sbatch"
expect_status 1
expect_stderr_has "usage: sbatch hunt.sbatch SUITE.yaml SEED"

case_begin "examples: the pods of a Kubernetes job"
engine
script "$EXAMPLES/kubernetes/hunt.yaml" spec template spec containers 0 args 0 |
    sed "s|/tests/|$TMP/project/|; s|/results/|$TMP/results/|g" >pod.sh
expect [ "$(script "$EXAMPLES/kubernetes/hunt.yaml" spec completionMode)" = Indexed ]
total=$(script "$EXAMPLES/kubernetes/hunt.yaml" spec completions)
expect grep -q "name: RRTEST_SHARD_TOTAL" "$EXAMPLES/kubernetes/hunt.yaml"
expect [ "$(script "$EXAMPLES/kubernetes/hunt.yaml" spec template spec containers 0 env 0 value)" = "$total" ]
mkdir "$TMP/results"
for index in 0 1 2 3; do
    in_engine JOB_COMPLETION_INDEX=$index RRTEST_SHARD_TOTAL="$total" SEED=1 -- sh pod.sh
    expect_status $((index == 0))
done
run rrtest merge "$TMP"/results/*
expect_status 1
expect_stdout_has "4 passed, 1 failed"

case_begin "examples: the BUILD file of Bazel names what is there"
run python3 - "$EXAMPLES/bazel" <<'PY'
import ast, os, sys
folder = sys.argv[1]
rules = {}
for node in ast.parse(open(folder + "/BUILD.bazel").read()).body:
    call = node.value
    values = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    rules[call.func.id] = values
    for source in values["srcs"]:
        assert os.path.exists(os.path.join(folder, source)), source
test = rules["sh_test"]
assert test["shard_count"] == 4 and test["data"] == [":" + rules["cc_binary"]["name"]], test
assert os.access(os.path.join(folder, test["srcs"][0]), os.X_OK)
PY
expect_status 0

case_begin "examples: Bazel's shards divide the runs of one hunt"
engine
in_engine TEST_SHARD_INDEX=1 TEST_TOTAL_SHARDS=4 TEST_SHARD_STATUS_FILE="$TMP/status" \
    XML_OUTPUT_FILE="$TMP/test.xml" TEST_UNDECLARED_OUTPUTS_DIR="$TMP/outputs" \
    -- bash "$EXAMPLES/bazel/hunt.sh" sh -c 'exit 0'
expect_status 0
expect_file "$TMP/status"
expect_file "$TMP/test.xml"
expect_file "$TMP/outputs/rrtest-out/results.json"
expect_stdout_matches '^ok +sh +50 runs'
in_engine TEST_TMPDIR="$TMP" -- bash "$EXAMPLES/bazel/hunt.sh" sh -c 'exit 1'
expect_status 1

finish
