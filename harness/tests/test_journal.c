/* The journal: what a killed session left is all there, and only the same session goes on. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/run/journal.h"
#include "harness/run/keep.h"

static const struct journal_identity identity = {
    .suite = 11, .seed = 42, .test_count = 3, .options = " --runs 7"};

static int set_up(void **state)
{
    char *folder = strdup("/tmp/rrtest-journal-XXXXXX");

    *state = folder;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    int code = keep_remove_tree(*state);

    free(*state);
    return code;
}

static struct report *make_report(uint64_t run)
{
    struct report *report = calloc(1, sizeof(*report));

    report->job = (struct job){.kind = JOB_RUN, .test = 1, .run = run, .ordinal = run};
    report->outcome = OUTCOME_FAIL;
    report->failure = FAILURE_EXIT;
    report->signature = run * 3;
    report_append(report, PART_REASON, "because", 7);
    return report;
}

/* A session that is killed: counts are set and failures appended until the signal comes. */
static void be_killed(const char *folder)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct test_counts counts = {.planned = 7};
        struct journal *journal;
        struct rr_error error;

        if (journal_create(folder, &identity, &journal, NULL, &error))
            _exit(1);
        for (uint64_t run = 1; run <= 3; run++) {
            struct report *report = make_report(run);

            if (journal_append(journal, report))
                _exit(2);
            free(report);
            counts.failed++;
            counts_mark_done(&counts, run);
            if (run == 1)
                progress_begin(&journal_progress(journal)[1], 77, &counts);
            else
                progress_set(&journal_progress(journal)[1], &counts);
        }
        journal_set_wall_ns(journal, 5000);
        raise(SIGKILL);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

struct seen {
    unsigned count;
    uint64_t sum;
};

static bool see(void *context, const struct report *report)
{
    struct seen *seen = context;

    seen->count++;
    seen->sum += report->signature;
    assert_int_equal(report->length[PART_REASON], 7);
    assert_memory_equal(report_part(report, PART_REASON), "because", 7);
    return true;
}

static void test_kill_and_resume(void **state)
{
    struct rr_error error;
    struct journal *journal;
    struct seen seen = {0};

    be_killed(*state);
    if (journal_resume(*state, &identity, &journal, &error))
        fail_msg("%s", error.message);
    assert_int_equal(journal_seed(journal), 42);
    assert_int_equal(journal_wall_ns(journal), 5000);
    assert_int_equal(progress_counts(&journal_progress(journal)[1])->failed, 3);
    assert_int_equal(progress_counts(&journal_progress(journal)[1])->prefix, 3);
    assert_int_equal(progress_counts(&journal_progress(journal)[0])->failed, 0);
    assert_int_equal(journal_replay(journal, see, &seen, &error), 0);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.sum, 18);
    journal_close(journal, true);
    assert_int_equal(journal_resume(*state, &identity, &journal, &error), -ENOENT);
}

/* The file is cut at any byte behind the counts: whole reports stay, and what follows appends. */
static void test_cut(void **state)
{
    struct report *report = make_report(9);
    struct rr_error error;
    char path[128];
    struct stat whole;

    be_killed(*state);
    snprintf(path, sizeof(path), "%s/" JOURNAL_NAME, (char *)*state);
    assert_int_equal(stat(path, &whole), 0);
    for (off_t cut = 1; cut <= 3 * (off_t)(report_size(report) + 16); cut += 97) {
        struct seen seen = {0}, again = {0};
        struct journal *journal;

        be_killed(*state);
        assert_int_equal(truncate(path, whole.st_size - cut), 0);
        if (journal_resume(*state, &identity, &journal, &error))
            fail_msg("%s", error.message);
        assert_int_equal(journal_replay(journal, see, &seen, &error), 0);
        assert_in_range(seen.count, 0, 2);
        assert_int_equal(journal_append(journal, report), 0);
        journal_close(journal, false);
        if (journal_resume(*state, &identity, &journal, &error))
            fail_msg("%s", error.message);
        assert_int_equal(journal_replay(journal, see, &again, &error), 0);
        assert_int_equal(again.count, seen.count + 1);
        journal_close(journal, false);
    }
    free(report);
}

static void check_refused(const char *folder, const struct journal_identity *other,
                          const char *part)
{
    struct rr_error error;
    struct journal *journal;

    assert_int_equal(journal_resume(folder, other, &journal, &error), -EINVAL);
    if (!strstr(error.message, part))
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_other_session(void **state)
{
    struct journal_identity other = identity;

    be_killed(*state);
    other.suite = 12;
    check_refused(*state, &other, "the suite");
    other = identity;
    other.options = "";
    check_refused(*state, &other, "--runs 7");
    other = identity;
    other.seed = 43;
    other.has_seed = true;
    check_refused(*state, &other, "--seed was 42, now it is 43");
}

static void test_damage(void **state)
{
    struct rr_error error;
    struct journal *journal;
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/" JOURNAL_NAME, (char *)*state);
    for (int i = 0; i < 3; i++) {
        static const char *const texts[] = {"", "nonsense", "rrtest journal\n"};

        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
        close(fd);
        assert_int_equal(journal_resume(*state, &identity, &journal, &error), -ENOENT);
    }
    be_killed(*state);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(journal_resume(*state, &identity, &journal, &error), -ENOENT);
}

/* Any byte of the counts and of what the session is may be wrong: it is refused, or (the wall time,
 * the process, unused room, the copy that does not count) does not matter. */
static void test_wrong_bytes(void **state)
{
    struct rr_error error;
    struct journal *journal;
    unsigned refused = 0;
    char path[128];
    int fd;

    be_killed(*state);
    snprintf(path, sizeof(path), "%s/" JOURNAL_NAME, (char *)*state);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = 16; at < 4096 + 2 * (off_t)sizeof(struct progress); at += 7) {
        const struct test_counts *counts;
        uint8_t byte, wrong;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        wrong = byte ^ 0x10;
        assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
        if (journal_resume(*state, &identity, &journal, &error)) {
            assert_non_null(strstr(error.message, "run without --resume"));
            refused++;
        } else {
            counts = progress_counts(&journal_progress(journal)[1]);
            assert_int_equal(journal_seed(journal), 42);
            assert_int_equal(counts->failed, 3);
            assert_int_equal(counts->prefix, 3);
            journal_close(journal, false);
        }
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    assert_in_range(refused, 200, 4096 / 7);
    close(fd);
}

static bool see_and_drop(void *context, const struct report *report)
{
    see(context, report);
    return report->job.run != 2;
}

static void test_dropped(void **state)
{
    struct seen first = {0}, second = {0};
    struct rr_error error;
    struct journal *journal;

    be_killed(*state);
    assert_int_equal(journal_resume(*state, &identity, &journal, &error), 0);
    assert_int_equal(journal_replay(journal, see_and_drop, &first, &error), 0);
    journal_close(journal, false);
    assert_int_equal(journal_resume(*state, &identity, &journal, &error), 0);
    assert_int_equal(journal_replay(journal, see, &second, &error), 0);
    journal_close(journal, true);
    assert_int_equal(first.count, 3);
    assert_int_equal(second.count, 2);
    assert_int_equal(second.sum, 12);
}

/* The lock that was waited for is one of a file that is gone: it protects nothing. */
static void test_removed_while_waiting(void **state)
{
    struct journal *one, *two, *three;
    struct rr_error error;
    int pair[2], status;
    pid_t pid;

    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        if (journal_create(*state, &identity, &one, NULL, &error) || write(pair[1], "x", 1) != 1)
            _exit(1);
        usleep(300000); /* for the other one to begin to wait */
        journal_close(one, true);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(read(pair[0], &status, 1), 1);
    assert_int_equal(journal_create(*state, &identity, &two, NULL, &error), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(journal_create(*state, &identity, &three, NULL, &error), -EBUSY);
    journal_close(two, true);
    close(pair[0]);
    close(pair[1]);
}

static void test_lock(void **state)
{
    struct journal *one, *two;
    struct rr_error error;
    bool left = true;
    char pid[32];

    assert_int_equal(journal_create(*state, &identity, &one, &left, &error), 0);
    assert_false(left);
    assert_int_equal(journal_create(*state, &identity, &two, &left, &error), -EBUSY);
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_non_null(strstr(error.message, pid));
    assert_int_equal(journal_resume(*state, &identity, &two, &error), -EBUSY);
    journal_close(one, false);
    assert_int_equal(journal_create(*state, &identity, &two, &left, &error), 0);
    assert_true(left);
    journal_close(two, true);
    assert_int_equal(rmdir(*state), 0);
    assert_int_equal(mkdir(*state, 0777), 0);
}

static void test_unwritable(void **state)
{
    struct journal *journal;
    struct rr_error error;
    char path[128];

    snprintf(path, sizeof(path), "%s/file", (char *)*state);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    assert_true(journal_create(path, &identity, &journal, NULL, &error) < 0);
    assert_non_null(strstr(error.message, path));
    assert_true(journal_create("/proc/none", &identity, &journal, NULL, &error) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_and_resume, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_while_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unwritable, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
