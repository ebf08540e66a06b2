/* The hand-written parts: what a command is for, its exit statuses, examples. */
#include "harness/cli/manual.h"

#include <string.h>

#define END        \
    {              \
        NULL, NULL \
    }

/* --- rrtest --------------------------------------------------------------------------------------
 */

static const char *const main_text[] = {
    "rrtest hunts races. It runs a test program many times; in each run a recorder decides which "
    "thread executes, preempts it at any instruction, and delivers signals where they hurt. A run "
    "that fails is kept as a trace, and the trace replays exactly.",
    "It works on unmodified x86-64 Linux programs, in virtual machines and containers, without "
    "hardware performance counters.",
    "The options --color, --quiet and --verbose may stand in front of the command as well.",
    NULL,
};
static const struct manual_item main_examples[] = {
    {"rrtest run -- ./queue_test --threads 4", "hunt in one program, without any file"},
    {"rrtest import ctest build -o suite.yaml", "make a suite of a CMake project's tests"},
    {"rrtest run suite.yaml", "hunt in all tests of a suite"},
    {"rrtest replay rrtest-out/queue-close/15755013860617669476", "see a failure again"},
    END,
};
static const struct manual_item main_statuses[] = {
    {"2", "bad usage; the commands have their own statuses"},
    END,
};

/* --- run -----------------------------------------------------------------------------------------
 */

static const char *const run_text[] = {
    "Runs each test of the suite many times, each run under another schedule. A test stops at its "
    "first failing run, whose trace is kept, and the next test begins.",
    "With -- PROGRAM ARGS..., hunts in that program: a suite of one test, whose name is the "
    "program's base name. The options --inject, --timeout, --virtual-timeout, --clock, --stdin, "
    "--expect-exit and --expect-signal say what keys say in a suite.",
    "Run r of a test has a seed made of the session seed, the test's name and r: the same --seed "
    "finds the same bug in the same run, whatever --jobs is. For each failure two commands are "
    "printed: one replays the kept trace, one makes the run again from its seed alone.",
    NULL,
};
static const struct manual_item run_statuses[] = {
    {"0", "all tests passed"},
    {"1", "a test failed"},
    {"2", "bad usage or a bad suite; nothing was run"},
    {"3", "this machine cannot record; the reason is printed"},
    {"128+n", "ended by signal n (SIGINT, SIGTERM, SIGHUP), with the results so far"},
    END,
};
static const struct manual_item run_examples[] = {
    {"rrtest run suite.yaml --jobs 4 --time-budget 10m", "a suite, for at most ten minutes"},
    {"rrtest run suite.yaml --filter queue-close --run-seed 42 --runs 50",
     "one run fifty times: the same-seed check"},
    {"rrtest run --runs 1000 --inject SIGUSR1:at=futex:probability=0.2 -- ./queue_test",
     "hunt in a program, with signals"},
    END,
};

/* --- record, replay ------------------------------------------------------------------------------
 */

static const char *const record_text[] = {
    "Runs the program once under the recorder and keeps its trace. The program's output passes "
    "through unchanged; what rrtest says goes to stderr. The program's stdin is /dev/null unless "
    "--stdin says otherwise. Options end at the program's name, or at --.",
    NULL,
};
static const struct manual_item record_statuses[] = {
    {"n", "the program exited with n"},
    {"128+n", "signal n killed the program, or ended the recording"},
    {"124", "rrtest ended the program: deadlock, --timeout, --virtual-timeout, a limit"},
    {"125", "rrtest's own errors, bad usage included"},
    END,
};
static const struct manual_item record_examples[] = {
    {"rrtest record -o trace --strategy random --seed 7 ./queue_test --threads 4",
     "one run under the schedule of seed 7"},
    END,
};

static const char *const replay_text[] = {
    "Replays a trace: same instructions, same output, same end. Neither the program nor its "
    "libraries are needed: all that executes is in the trace, a directory or a packed file. "
    "Without "
    "one, the latest of `rrtest record`.",
    "With --stacks it ends behind the event of --at, or before the tasks end, and prints every "
    "task's stack there instead of the output; the exit status is 0 then.",
    NULL,
};
static const struct manual_item replay_statuses[] = {
    {"n", "the recorded program exited with n"},
    {"128+n", "signal n killed the recorded program, or ended the replay"},
    {"70", "divergence: the trace did not replay, which is a bug of rrtest"},
    {"124", "rrtest had ended the recorded program: deadlock, timeout, limit"},
    {"125", "rrtest's own errors, bad usage included"},
    END,
};
static const struct manual_item replay_examples[] = {
    {"rrtest replay --verify rrtest-out/queue-close/15755013860617669476",
     "a kept failure, checking registers and memory"},
    {"rrtest replay --stacks --at 120",
     "where every task stood behind event 120 of the latest trace"},
    END,
};

/* --- looking at traces and machines --------------------------------------------------------------
 */

static const struct manual_item look_statuses[] = {
    {"0", "done"},
    {"2", "bad usage, or not to be read"},
    END,
};

static const char *const dump_text[] = {
    "Prints the events of a trace, one a line; with --json one JSON object a line. Behind them "
    "stands where every task was when the run failed: its stack, with inlined functions, from the "
    "debug data of the program or separate debug files on this machine. --stacks prints that "
    "alone.",
    NULL,
};
static const char *const stats_text[] = {
    "Prints counts of a trace: events, stops, preemptions, system calls by name.",
    NULL,
};
static const char *const ls_text[] = {
    "Lists the traces in a folder; without one, those of `rrtest record`: what removing it would "
    "free, its age, path, verdict, seed, strategy and command. Contents that a trace shares with "
    "the image cache by hard links are not counted.",
    NULL,
};
static const char *const pack_text[] = {
    "Puts a trace into one file, for sending it elsewhere; without a trace, the latest of `rrtest "
    "record`. `replay`, `dump`, `stats` and `timeline` take the file as it is. It replays on any "
    "x86-64 Linux whose processor has the features of the one that recorded; replay names those "
    "that are missing. The file is a tar archive compressed with zstd. The same trace gives the "
    "same bytes.",
    "All of the trace is checked first; a damaged one is not packed. It holds the program, its "
    "libraries, its environment and what it read: think of secrets before you send it.",
    NULL,
};
static const struct manual_item pack_examples[] = {
    {"rrtest pack rrtest-out/queue-close/15755013860617669476 -o failure.rrt",
     "a kept failure, as one file"},
    {"rrtest replay failure.rrt", "... and wherever it was sent to"},
    END,
};
static const char *const unpack_text[] = {
    "Makes a packed trace a directory again. An archive that is damaged, or holds anything but a "
    "trace, is refused, and nothing of it stays. Commands that read traces take packed ones as "
    "they are, unpacked below $TMPDIR for as long as they run; a directory saves that time.",
    NULL,
};
static const char *const timeline_text[] = {
    "Writes a trace in the trace event format, which Perfetto (https://ui.perfetto.dev) opens: for "
    "each task when it executed and what it waited for, system calls, preemptions and signals with "
    "their places in the source, and who woke whom. The same timelines are in the pages that "
    "`rrtest run --report html=FILE` writes.",
    NULL,
};
static const struct manual_item timeline_examples[] = {
    {"rrtest timeline rrtest-out/queue-close/15755013860617669476 -o queue.json",
     "a kept failure, for Perfetto"},
    {"rrtest timeline -o - --axis step",
     "the latest record's, each thing that happened with equal room"},
    END,
};
static const char *const doctor_text[] = {
    "Probes what this machine can and cannot do, and what that costs. With --image, says what "
    "rewriting makes of an ELF file: loops, how each is counted, windows, and each refused place "
    "with its reason.",
    NULL,
};

static const char *const check_text[] = {
    "Reads suites as `rrtest run` would: keys, values, matrices, programs, folders and files. All "
    "that is wrong is told, one mistake a line, with file, line, column, key and what was "
    "expected. Nothing is run. With --schema, prints the JSON Schema of suites.",
    NULL,
};
static const struct manual_item check_statuses[] = {
    {"0", "the suites are good"},
    {"2", "bad usage, or a suite has mistakes"},
    END,
};
/* --- import --------------------------------------------------------------------------------------
 */

static const char *const import_text[] = {
    "Writes a suite of tests that another tool knows. The same input gives the same bytes. With "
    "--output, paths below the file's folder are relative to it; others are absolute. An existing "
    "file that import did not write is not replaced.",
    "ctest BUILD_DIR: one entry per test of a configured CMake project. Fixtures become setup and "
    "teardown, labels stay labels; RESOURCE_LOCK, RUN_SERIAL and PROCESSORS become the labels "
    "lock:NAME, serial and processors:N. What has no counterpart is a note, on stderr and in the "
    "file.",
    "gtest PROGRAM: one entry per case of a GoogleTest program, also typed and parameterised ones; "
    "DISABLED_ cases are skipped. Arguments for the program stand behind --.",
    "cmocka PROGRAM: one entry for the program, since nothing outside it can choose a case.",
    "tap COMMAND...: runs the command once; one entry that fails if a test point fails, the last "
    "one is missing, or the script bails out. Options stand in front of the command.",
    NULL,
};
static const struct manual_item import_statuses[] = {
    {"0", "the suite is written"},
    {"2", "bad usage, or the tests cannot be listed"},
    END,
};
static const struct manual_item import_examples[] = {
    {"rrtest import ctest build -o build/suite.yaml", "the tests of a CMake project"},
    {"rrtest import gtest ./unit_tests --filter 'Queue*' -o suite.yaml",
     "some of a program's cases"},
    {"rrtest import tap -o suite.yaml perl t/queue.t", "a script that prints TAP"},
    END,
};

/* --- results -------------------------------------------------------------------------------------
 */

static const char *const merge_text[] = {
    "Joins the results of a session's shards, read from results.json in each folder, into those of "
    "one "
    "session, and shows them as run does. The shards must be of the same suite, seed and version "
    "of "
    "rrtest. Shards that are missing are named, and make the exit status 1. With --out, the "
    "joined results are written too.",
    NULL,
};
static const char *const report_text[] = {
    "Shows the results of a session again, read from results.json in the folder (rrtest-out if "
    "none is given), and writes reports from them: console, json, junit, tap, tap13 (for Perl's "
    "prove, which refuses version 14), sarif, markdown, html (one page, with "
    "the kept traces' timelines), and github: annotations on stdout, and a "
    "summary appended to the file $GITHUB_STEP_SUMMARY. Nothing else is printed on stdout if a "
    "report goes there.",
    NULL,
};
static const struct manual_item results_statuses[] = {
    {"0", "no test failed"},
    {"1", "a test failed, or (merge) a shard is missing or was interrupted"},
    {"2",
     "bad usage, results that cannot be read or do not belong together, or a report that could "
     "not be written"},
    END,
};
static const struct manual_item merge_examples[] = {
    {"rrtest merge shard-1 shard-2 -o rrtest-out --report junit=junit.xml",
     "two CI jobs' results as one"},
    END,
};
static const struct manual_item report_examples[] = {
    {"rrtest report rrtest-out --report sarif=rrtest.sarif --report github",
     "what GitHub shows, from an earlier session"},
    END,
};

/* --- tables --------------------------------------------------------------------------------------
 */

static const struct manual_page pages[] = {
    {"", main_text, main_statuses, main_examples},
    {"run", run_text, run_statuses, run_examples},
    {"check", check_text, check_statuses, NULL},
    {"record", record_text, record_statuses, record_examples},
    {"replay", replay_text, replay_statuses, replay_examples},
    {"dump", dump_text, look_statuses, NULL},
    {"timeline", timeline_text, look_statuses, timeline_examples},
    {"stats", stats_text, look_statuses, NULL},
    {"ls", ls_text, look_statuses, NULL},
    {"pack", pack_text, look_statuses, pack_examples},
    {"unpack", unpack_text, look_statuses, NULL},
    {"doctor", doctor_text, look_statuses, NULL},
    {"import", import_text, import_statuses, import_examples},
    {"merge", merge_text, results_statuses, merge_examples},
    {"report", report_text, results_statuses, report_examples},
};

static const struct manual_item files[] = {
    {"rrtest-out/TEST/SEED/", "traces that `rrtest run` keeps, unless --out names another folder"},
    {"$XDG_DATA_HOME/rrtest/PROGRAM-N/",
     "traces that `rrtest record` keeps without -o (~/.local/share/rrtest)"},
    {"$XDG_CACHE_HOME/rrtest/", "rewritten images (~/.cache/rrtest)"},
    END,
};

static const struct manual_item environment[] = {
    {"TMPDIR", "where packed traces are unpacked while they are read (/tmp)"},
    {"NO_COLOR", "if set and not empty: no colours, unless --color always"},
    {"RRTEST_LOG", "debug: diagnostics for developers, on stderr"},
    END,
};

const struct manual_page *manual_find(const char *command)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
        if (strcmp(pages[i].command, command) == 0)
            return &pages[i];
    return NULL;
}

const struct manual_item *manual_files(void)
{
    return files;
}

const struct manual_item *manual_environment(void)
{
    return environment;
}
