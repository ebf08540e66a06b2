/* Runs of users who are not root, and where namespaces are refused: they work, and say what they
 * lack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/record/tests/recorded.h"

#define NOBODY 65534
#define NAMESPACE_FLAGS 0x7e020000 /* CLONE_NEWNS .. CLONE_NEWNET */

static char cache[] = "/tmp/test-privileges-XXXXXX";

static bool has_note(const struct record_result *result, const char *words)
{
    for (size_t i = 0; i < result->note_count; i++)
        if (strstr(result->notes[i], words))
            return true;
    return false;
}

static bool become_nobody(void)
{
    return geteuid() != 0 ||
           (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
            setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

/* As a container's profile does: EPERM for new namespaces, entering them, and personality. */
static bool refuse_namespaces(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setns, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_personality, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACE_FLAGS, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/* Run the check in a process of its own, whose privileges it may give up. */
static void in_child(int (*check)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        recorded_cache(cache);
        _exit(check());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

static int complain(const char *what, const struct record_result *result)
{
    fprintf(stderr, "%s\n%s%s\n", what, result->output[0], result->message ? result->message : "");
    for (size_t i = 0; i < result->note_count; i++)
        fprintf(stderr, "note: %s\n", result->notes[i]);
    return 1;
}

static int ends_well(struct recorded *what, struct record_result *result)
{
    recorded_run(what, result);
    if (result->verdict != RECORD_VERDICT_EXITED || result->status != 0)
        return complain("it did not end well", result);
    return 0;
}

/* User namespaces may be refused as a whole (sysctl, AppArmor). */
static bool has_user_namespaces(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER) < 0);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static int check_nobody(void)
{
    struct recorded pids = {.program = "e2e/probe", .argument = "pids"};
    struct recorded unseen = {.program = "recorder/record/tests/programs/unseen"};
    struct record_result result;

    if (!become_nobody())
        return 77;
    if (!has_user_namespaces())
        return 77;
    if (ends_well(&pids, &result))
        return 1;
    if (!strstr(result.output[0], "pid 2 parent 1 ") || !has_note(&result, "without privileges"))
        return complain("no namespaces", &result);
    record_result_done(&result);
    if (ends_well(&unseen, &result))
        return 1;
    record_result_done(&result);
    return 0;
}

static int check_refused(void)
{
    struct recorded what = {.program = "recorder/record/tests/programs/unseen"};
    struct record_result result;

    if (!refuse_namespaces())
        return 77;
    if (ends_well(&what, &result))
        return 1;
    if (!has_note(&result, "no namespaces here") || !has_note(&result, "personality"))
        return complain("it does not say what it lacks", &result);
    record_result_done(&result);
    return 0;
}

static int check_nobody_refused(void)
{
    return become_nobody() ? check_refused() : 77;
}

/* Without a cache it may write to, a process rewrites for itself. */
static int check_no_cache(void)
{
    struct recorded what = {.program = "e2e/probe", .argument = "cpus"};
    struct record_result result;

    recorded_cache("/proc/no-such-place");
    if (ends_well(&what, &result))
        return 1;
    if (result.statistics.ticks == 0 || !has_note(&result, "rewrites the images it runs anew"))
        return complain("no ticks, or no word about the cache", &result);
    record_result_done(&result);
    return 0;
}

static int check_nothing_to_say(void)
{
    struct recorded what = {.program = "e2e/probe", .argument = "cpus"};
    struct record_result result;

    if (geteuid() != 0)
        return 77;
    if (ends_well(&what, &result))
        return 1;
    if (result.note_count > 0)
        return complain("notes where all is well", &result);
    record_result_done(&result);
    return 0;
}

static void test_nobody(void **state)
{
    (void)state;
    in_child(check_nobody);
}

static void test_refused(void **state)
{
    (void)state;
    in_child(check_refused);
}

static void test_nobody_refused(void **state)
{
    (void)state;
    in_child(check_nobody_refused);
}

static void test_no_cache(void **state)
{
    (void)state;
    in_child(check_no_cache);
}

static void test_nothing_to_say(void **state)
{
    (void)state;
    in_child(check_nothing_to_say);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nobody_refused), cmocka_unit_test(test_no_cache),
        cmocka_unit_test(test_nothing_to_say),
    };
    char command[64];
    int failed;

    if (!mkdtemp(cache) || chmod(cache, 0777) < 0)
        return 99;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -rf %s", cache);
    return system(command) == 0 ? failed : 99;
}
