#!/bin/bash
# Suites from other tools' tests: a CMake project, a GoogleTest program, our own cmocka programs, perl
# scripts that print TAP. What is imported runs, and finds what there is to find.
. "$(dirname "$0")/lib.sh"

# --- CTest -------------------------------------------------------------------------------------------

# A project with one race, one test per property that import honours, and a test that is not built.
# The programs are compiled once; each case works on a copy of the folder.
write_project() {
    mkdir -p "$WORK/project/sub"
    cd "$WORK/project" || exit 99
    cp "$ROOT/ci/examples/cmake/queue_test.c" .
    cat >say.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* say EXIT VARIABLE...: prints the variables; the last word in capitals goes to stderr */
int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        printf("%s=%s\n", argv[i], getenv(argv[i]) ? getenv(argv[i]) : "-");
    fflush(stdout);
    fputs("on stderr: GOOD\n", stderr);
    return atoi(argv[1]);
}
C
    cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.22)
project(sample C)
enable_testing()
find_package(Threads REQUIRED)
add_executable(queue_test queue_test.c)
target_link_libraries(queue_test PRIVATE Threads::Threads)
add_executable(say say.c)
add_executable(unbuilt EXCLUDE_FROM_ALL say.c)

add_test(NAME queue/race COMMAND queue_test)
set_tests_properties(queue/race PROPERTIES LABELS "race;queue" TIMEOUT 20)
add_test(NAME env COMMAND say 0 A B)
set_tests_properties(env PROPERTIES ENVIRONMENT "A=1;B=two words")
add_test(NAME modified COMMAND say 0 A B UNSET)
set_tests_properties(modified PROPERTIES
    ENVIRONMENT "A=1"
    ENVIRONMENT_MODIFICATION "A=path_list_append:2;B=path_list_prepend:/front;UNSET=unset:"
    PASS_REGULAR_EXPRESSION "A=1:2.B=/front(:/inherited)?.UNSET=-|B=/front")
add_test(NAME pass-on-stderr COMMAND say 3)
set_tests_properties(pass-on-stderr PROPERTIES PASS_REGULAR_EXPRESSION "nothing;GOOD$")
add_test(NAME pass-missing COMMAND say 0)
set_tests_properties(pass-missing PROPERTIES PASS_REGULAR_EXPRESSION "nothing")
add_test(NAME fail-on-stderr COMMAND say 0)
set_tests_properties(fail-on-stderr PROPERTIES FAIL_REGULAR_EXPRESSION "GO+D")
add_test(NAME fail-absent COMMAND say 0)
set_tests_properties(fail-absent PROPERTIES FAIL_REGULAR_EXPRESSION "BA+D{2}")
add_test(NAME will-fail COMMAND say 1)
set_tests_properties(will-fail PROPERTIES WILL_FAIL ON)
add_test(NAME will-not-fail COMMAND say 0)
set_tests_properties(will-not-fail PROPERTIES WILL_FAIL ON)
add_test(NAME skips COMMAND say 77)
set_tests_properties(skips PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME disabled COMMAND say 1)
set_tests_properties(disabled PROPERTIES DISABLED ON)
add_test(NAME unbuilt COMMAND unbuilt 1)
add_test(NAME sub COMMAND pwd)
set_tests_properties(sub PROPERTIES WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/sub
    PASS_REGULAR_EXPRESSION "/sub$" RUN_SERIAL ON)
add_test(NAME make-file COMMAND ${CMAKE_COMMAND} -E touch made)
set_tests_properties(make-file PROPERTIES FIXTURES_SETUP File)
add_test(NAME remove-file COMMAND ${CMAKE_COMMAND} -E rm made)
set_tests_properties(remove-file PROPERTIES FIXTURES_CLEANUP File)
add_test(NAME needs-file COMMAND ${CMAKE_COMMAND} -E cat made)
set_tests_properties(needs-file PROPERTIES FIXTURES_REQUIRED File)
CMAKE
    cmake -B build -DCMAKE_BUILD_TYPE=Debug >"$WORK/cmake.log" 2>&1 &&
        cmake --build build >>"$WORK/cmake.log" 2>&1 || { cat "$WORK/cmake.log" >&2; exit 99; }
}
write_project

# The verdict of a test in the output of a run.
verdict() {
    grep -E "^[A-Za-z]+ +$1( |$)" "$OUT" | head -n 1 | sed 's/ .*//'
}

case_begin "ctest: imported twice, the file is the same"
cd "$WORK/project" || exit 99
run rrtest import ctest build -o suite.yaml
expect_status 0
expect_stdout ""
expect_stderr_has "rrtest: note: unbuilt: its program is not built; left out"
cp suite.yaml "$TMP/first.yaml"
run rrtest import ctest build -o suite.yaml
expect_status 0
expect_same suite.yaml "$TMP/first.yaml"
expect grep -qF 'command: ["./build/queue_test"]' suite.yaml
expect grep -qF 'labels: ["queue", "race"]' suite.yaml
expect grep -qF 'labels: ["serial"]' suite.yaml
run rrtest check suite.yaml
expect_status 0

case_begin "ctest: the imported suite judges as ctest does"
cd "$WORK/project" || exit 99
B=/inherited ctest --test-dir build >"$TMP/ctest.out" 2>&1
run env B=/inherited UNSET=set "$RRTEST" run suite.yaml --label '!race' --runs 3 --seed 1 --keep none
expect_status 1
for test in env modified pass-on-stderr fail-absent will-fail sub needs-file skips; do
    expect [ "$(verdict $test)" = ok ]
done
for test in pass-missing fail-on-stderr will-not-fail; do
    expect [ "$(verdict $test)" = FAIL ]
    expect grep -qE " $test \.+\*\*\*Failed" "$TMP/ctest.out"
done
expect [ "$(verdict disabled)" != ok ]
expect [ "$(verdict disabled)" != FAIL ]
expect_no_file build/made
expect_no_file made

case_begin "ctest: the race is found, and its commands work"
cd "$WORK/project" || exit 99
run rrtest run suite.yaml --label race --runs 2000 --seed 1 --out "$TMP/out"
expect_status 1
expect_stdout_has "FAIL  queue-race"
rerun=$(sed -n 's/^ *rerun *//p' "$OUT" | head -n 1)
run sh -c "$rerun"
expect_status 1

case_begin "ctest: --filter, --runs, stdout, absolute paths"
cd "$TMP" || exit 99
run rrtest import ctest --filter 'queue*' --runs 7 "$WORK/project/build"
expect_status 0
expect_stdout_has "defaults: {runs: 7}"
expect_stdout_has "command: [\"$WORK/project/build/queue_test\"]"
expect [ "$(grep -c 'name:' "$OUT")" = 1 ]

# --- GoogleTest --------------------------------------------------------------------------------------

case_begin "gtest: plain, typed, parameterised and disabled cases"
if [ ! -e /usr/include/gtest/gtest.h ]; then
    skip "no libgtest-dev"
else
    cat >cases.cc <<'CC'
#include <gtest/gtest.h>
TEST(Plain, Passes) {}
TEST(Plain, Fails) { EXPECT_EQ(1, 2); }
TEST(Plain, DISABLED_Off) { FAIL(); }
template <class T> struct Typed : testing::Test {};
using Types = testing::Types<int, char>;
TYPED_TEST_SUITE(Typed, Types);
TYPED_TEST(Typed, Small) { EXPECT_LE(sizeof(TypeParam), 1u); }
struct Param : testing::TestWithParam<int> {};
TEST_P(Param, Even) { EXPECT_EQ(GetParam() % 2, 0); }
INSTANTIATE_TEST_SUITE_P(Inst, Param, testing::Values(1, 2));
CC
    run g++ -O0 cases.cc -o cases -lgtest -lgtest_main -pthread
    expect_status 0
    run rrtest import gtest ./cases -o suite.yaml
    expect_status 0
    expect_stderr_has "7 tests in suite.yaml"
    run rrtest run suite.yaml --runs 2 --seed 1 --keep none
    expect_status 1
    for test in Plain.Passes Typed-1.Small Inst-Param.Even-1; do
        expect [ "$(verdict $test)" = ok ]
    done
    for test in Plain.Fails Typed-0.Small Inst-Param.Even-0; do
        expect [ "$(verdict $test)" = FAIL ]
    done
    expect [ "$(verdict Plain.DISABLED_Off)" != ok ]
    expect [ "$(verdict Plain.DISABLED_Off)" != FAIL ]
    # Arguments of the program's own, and stdout by its name.
    run rrtest import gtest -o - ./cases -- --gtest_color=no
    expect_status 0
    expect_stdout_has "/cases\", \"--gtest_color=no\", \"--gtest_filter=Plain.Passes\"]"
    # A case that is gone must not pass because nothing ran.
    sed -i 's/Plain.Passes"\]/Plain.Gone"]/' suite.yaml
    run rrtest run suite.yaml --filter Plain.Passes --runs 1 --keep none
    expect_status 1
fi

# --- cmocka ------------------------------------------------------------------------------------------

case_begin "cmocka: one entry for a program, which passes"
program=$BUILD/harness/test_value
run rrtest import cmocka "$program" -o suite.yaml
expect_status 0
expect_stderr_has "cmocka cannot run one case of a program"
expect [ "$(grep -c 'name:' suite.yaml)" = 1 ]
# (LeakSanitizer, in a sanitized build, traces its own process.)
run env ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$RRTEST" run suite.yaml --runs 2
expect_status 0
expect_stdout_matches '^ok +test_value '

# --- TAP ---------------------------------------------------------------------------------------------

case_begin "tap: a perl script, its failing points, a missing last point, a bail-out"
cat >good.pl <<'PERL'
use Test::More tests => 3;
ok(1, "one");
TODO: { local $TODO = "later"; ok(0, "two"); }
ok(!-e "broken", "three");
print "Bail out!\n" if -e "bail";
PERL
cat >short.sh <<'SH'
echo 1..2
echo ok 1
[ -e stop ] && exit 0
echo ok 2
[ ! -e fails ] || echo not ok 3
SH
run rrtest import tap -o perl.yaml perl good.pl
expect_status 0
run rrtest import tap -o sh.yaml sh short.sh
expect_status 0
run rrtest run perl.yaml --runs 2 --keep none
expect_status 0
expect_stdout_matches '^ok +good\.pl '
run rrtest run sh.yaml --runs 2 --keep none
expect_status 0
for file in broken bail; do
    : >$file
    run rrtest run perl.yaml --runs 1 --keep none
    expect_status 1
    rm $file
done
for file in stop fails; do
    : >$file
    run rrtest run sh.yaml --runs 1 --keep none
    expect_status 1
    rm $file
done

# --- what cannot be imported -------------------------------------------------------------------------

# refused WORDS ARGUMENTS...
refused() {
    local words=$1
    shift
    case_begin "refused: import $*"
    echo text >text
    run rrtest import "$@"
    expect_status 2
    expect_stdout ""
    expect_stderr_has "$words"
    expect [ "$(wc -l <"$ERR")" = 1 ]
}
refused "expected ctest, gtest, cmocka or tap, and what to import"
refused "did you mean 'gtest'?" gtset x
refused "import ctest: expected a build folder" ctest
refused "expected a build folder of CMake with enable_testing()" ctest .
refused "expected one build folder, got 'b' as well" ctest a b
refused "cannot run ./nowhere: No such file" gtest ./nowhere
refused "no program nowhere in PATH; one in this folder is ./nowhere" gtest nowhere
refused "cannot run ./text: Permission denied" gtest ./text
refused "is it a GoogleTest program?" gtest true
refused "is it a cmocka program?" cmocka true
refused "no TAP on stdout (exit 1)" tap false
refused "planned 2 test points, ran 1" tap sh -c 'echo 1..2; echo ok 1'
refused "1 of 1 test points failed" tap sh -c 'echo 1..1; echo not ok 1'
refused "no plan" tap sh -c 'echo ok 1'
refused "bailed out" tap sh -c 'echo 1..1; echo Bail out!'
refused "exit 3: oh; a script must pass once" tap sh -c 'echo 1..1; echo ok 1; echo oh >&2; exit 3'
refused "killed by SIGKILL" tap sh -c 'kill -9 $$'
refused "still running at the time limit; raise --timeout" tap --timeout 200ms sleep 60
refused "--output: /nowhere/" tap -o /nowhere/x true
refused "text is there and was not written by rrtest import" tap -o text sh -c 'echo 1..0'
refused "unknown option '--outptu'" ctest build --outptu x
refused "no test's name matches --filter 'x'" tap -f x sh -c 'echo 1..0'

case_begin "a suite that cannot be written leaves the old one"
run rrtest import tap -o suite.yaml sh -c 'echo 1..0 # skip'
expect_status 0
cp suite.yaml old
run sh -c 'ulimit -f 1; trap "" XFSZ; exec "$0" import tap -o suite.yaml sh -c "echo 1..0" "$1"' "$RRTEST" \
    "$(printf '%03000d' 0)"
expect_status 2
expect_stderr_has "suite.yaml"
expect_same suite.yaml old
expect [ "$(ls | wc -l)" = 2 ]

case_begin "--force replaces a file of one's own"
echo text >text
run rrtest import tap --force -o text sh -c 'echo 1..0 # skip'
expect_status 0
expect grep -q "^version: 1" text

# --- hunts without a file ----------------------------------------------------------------------------

case_begin "run -- PROGRAM: found, and the printed commands work"
run rrtest run --runs 300 --seed 1 -- "$SCENARIOS/lost_update"
expect_status 1
expect_stdout_has "FAIL  lost_update"
replay=$(sed -n 's/^ *replay *//p' "$OUT" | head -n 1)
rerun=$(sed -n 's/^ *rerun *//p' "$OUT" | head -n 1)
expect [ -n "$replay" ]
run sh -c "$replay"
expect_status 1
run sh -c "$rerun"
expect_status 1
expect_stdout_has "FAIL  lost_update"

case_begin "run -- PROGRAM: the options of the hunt are part of the printed command"
run rrtest run --runs 2 --inject SIGUSR1:at=getpid --expect-exit 0,4 --timeout 7s -- sh -c 'exit "3" # a b'
expect_status 1
expect_stdout_has "--inject SIGUSR1:at=getpid --expect-exit 0,4 --timeout 7s -- sh -c 'exit \"3\" # a b'"
run sh -c "$(sed -n 's/^ *rerun *//p' "$OUT" | head -n 1)"
expect_status 1

case_begin "run -- PROGRAM: what is expected"
run rrtest run --runs 2 --expect-exit 3 -- sh -c 'exit 3'
expect_status 0
run rrtest run --runs 2 --expect-exit nonzero -- sh -c 'exit 3'
expect_status 0
run rrtest run --runs 2 --expect-exit any --stdin /dev/null -- sh -c 'exit 9'
expect_status 0
run rrtest run --runs 2 --expect-signal SIGTERM -- sh -c 'kill $$'
expect_status 0
run rrtest run --runs 1 --timeout 300ms --keep none -- sh -c 'while :; do :; done'
expect_status 1
expect_stdout_has "timeout"
run rrtest run --runs 1 --virtual-timeout 5s --keep none -- sleep 100
expect_status 1
run rrtest run --runs 1 -- sleep 100
expect_status 0

case_begin "run -- PROGRAM: mistakes"
bad() {
    local words=$1
    shift
    run rrtest run "$@"
    expect_status 2
    expect_stderr_has "$words"
}
bad "expected a program behind --" --
bad "no program nowhere in PATH" -- nowhere
bad "./nowhere" -- ./nowhere
bad "got 'suite.yaml' as well" suite.yaml -- true
bad "a program to hunt in stands behind --" true false
bad "--timeout: only for a program behind --" --timeout 5s suite.yaml
bad "--expect-exit: expected exit statuses" --expect-exit 256 -- true
bad "--expect-signal: expected a signal" --expect-signal SIGFOO -- true
bad "expected one of --expect-exit and --expect-signal" --expect-exit 3 --expect-signal SIGTERM -- true
bad "--filter: there is one test" --filter x -- true
bad "--stdin" --stdin
bad "nowhere" --stdin nowhere -- true

finish
