/* The worker's mount namespace, and the order of things around a run. */
#include "harness/run/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/run/copy_tree.h"
#include "recorder/base/file.h"
#include "recorder/base/text.h"
#include "recorder/record/record.h"

#define OWN_FOLDER "/tmp/rrtest-run-XXXXXX"

/* --- the directory ----------------------------------------------------------------------------
 */

static bool write_text(const char *path, const char *text)
{
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* A mount namespace; without the privilege, in a user namespace with our own ids alone
 * (user_namespaces(7)). The change of privileges takes away what prctl(2) says it does. */
static bool leave_namespace(void)
{
    unsigned uid = geteuid(), gid = getegid();
    char text[64];

    if (unshare(CLONE_NEWNS) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return false;
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    write_text("/proc/self/setgroups", "deny");
    snprintf(text, sizeof(text), "%u %u 1", uid, uid);
    if (!write_text("/proc/self/uid_map", text))
        return false;
    snprintf(text, sizeof(text), "%u %u 1", gid, gid);
    return write_text("/proc/self/gid_map", text);
}

static bool mount_directory(void)
{
    struct stat status;

    if (mkdir(RECORD_FILES_DIRECTORY, 0755) < 0 && errno != EEXIST)
        return false;
    if (lstat(RECORD_FILES_DIRECTORY, &status) < 0 || !S_ISDIR(status.st_mode))
        return false;
    return leave_namespace() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", RECORD_FILES_DIRECTORY, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0;
}

void prepare_init(struct prepare *p, const struct suite *suite)
{
    char folder[] = OWN_FOLDER;

    *p = (struct prepare){.run_stdin = -1};
    for (size_t i = 0; i < suite->count; i++)
        p->needed = p->needed || suite->tests[i].copy_count > 0;
    if (!p->needed)
        return;
    if (mount_directory()) {
        p->directory = strdup(RECORD_FILES_DIRECTORY);
    } else if (mkdtemp(folder)) {
        p->own_folder = true;
        p->directory = strdup(folder);
    }
}

void prepare_done(struct prepare *p)
{
    if (p->own_folder) {
        empty_tree(p->directory);
        rmdir(p->directory);
    }
    free(p->directory);
    p->directory = NULL;
}

const char *prepare_note(const struct prepare *p, const struct suite_test *test)
{
    if (test->copy_count == 0 || !p->own_folder)
        return NULL;
    return "no mount namespace here: the directory of a run with `files` has another path in each "
           "worker";
}

/* --- a run --------------------------------------------------------------------------------------
 */

static int fill_directory(const struct prepare *p, const struct suite_test *test,
                          struct rr_error *error)
{
    int code;

    if (!p->directory)
        return rr_error_set(error, -EIO, "files: no folder can be made in /tmp");
    code = empty_tree(p->directory);
    if (code)
        return rr_error_set(error, code, "files: cannot empty %s: %s", p->directory,
                            strerror(-code));
    for (size_t i = 0; i < test->copy_count && code == 0; i++) {
        const struct suite_copy *copy = &test->copies[i];
        char *target;

        target = text_make("%s%s%s", p->directory, *copy->target ? "/" : "", copy->target);
        code = copy_tree(copy->source, target, p->directory, error);
        free(target);
    }
    return code;
}

static bool is_own(const char *entry)
{
    return strncmp(entry, "PWD=", 4) == 0 || strncmp(entry, "RRTEST_FILES=", 13) == 0;
}

/* The test's, with where the files are. */
static void make_environment(struct prepare *p, const struct suite_test *test)
{
    const char *directory = test->directory ? test->working_directory : p->directory;
    size_t count = 0, kept = 0;

    while (test->full_environment[count])
        count++;
    p->made_environment = calloc(count + 3, sizeof(char *));
    if (!p->made_environment)
        abort();
    for (size_t i = 0; i < count; i++) {
        if (!is_own(test->full_environment[i]))
            p->made_environment[kept++] = strdup(test->full_environment[i]);
    }
    p->made_environment[kept] = text_make("PWD=%s", directory);
    p->made_environment[kept + 1] = text_make("RRTEST_FILES=%s", p->directory);
    p->run_directory = directory;
    p->run_environment = p->made_environment;
}

/* The text as a file that can only be read. */
static int open_text(const char *text)
{
    cleanup_fd int fd = memfd_create("stdin", MFD_CLOEXEC);
    char path[64];
    int code;

    if (fd < 0)
        return -errno;
    code = file_write_all(fd, text, strlen(text));
    if (code)
        return code;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    code = open(path, O_RDONLY | O_CLOEXEC);
    return code < 0 ? -errno : code;
}

static int open_stdin(struct prepare *p, const struct suite_test *test, struct rr_error *error)
{
    if (test->stdin_text) {
        p->run_stdin = open_text(test->stdin_text);
        if (p->run_stdin < 0)
            return rr_error_set(error, p->run_stdin, "cannot make stdin: %s",
                                strerror(-p->run_stdin));
    } else if (test->stdin_path) {
        p->run_stdin = open(test->stdin_path, O_RDONLY | O_CLOEXEC);
        if (p->run_stdin < 0)
            return rr_error_set(error, -EIO, "cannot open %s for stdin: %s", test->stdin_path,
                                strerror(errno));
    }
    return 0;
}

/* Open the hooks if need be and run one; they are open afterwards if anything is left to end. */
static int run_hook(struct hooks *hooks, const struct suite_test *test, enum suite_hook hook,
                    const char *directory, char *const *environment,
                    bool (*interrupted)(void *context), void *context, struct rr_error *error)
{
    int code = 0;

    if (test->hook_count[hook] == 0)
        return 0;
    if (hooks->keeper == 0)
        code = hooks_open(hooks, test, directory, environment, error);
    return code ? code : hooks_run(hooks, hook, interrupted, context, error);
}

/* Give back what the run had. */
static int clear_run(struct prepare *p, const struct suite_test *test)
{
    hooks_close(&p->hooks);
    close_fd(&p->run_stdin);
    for (char **at = p->made_environment; at && *at; at++)
        free(*at);
    free(p->made_environment);
    p->made_environment = NULL;
    return test->copy_count > 0 && p->directory ? empty_tree(p->directory) : 0;
}

int prepare_run_begin(struct prepare *p, const struct suite_test *test,
                      bool (*interrupted)(void *context), void *context, struct rr_error *error)
{
    struct rr_error ignored;
    int code = 0;

    p->run_directory = test->working_directory;
    p->run_environment = test->full_environment;
    if (test->copy_count > 0) {
        code = fill_directory(p, test, error);
        if (code == 0)
            make_environment(p, test);
    }
    if (code) {
        clear_run(p, test);
        return code;
    }
    code = run_hook(&p->hooks, test, SUITE_SETUP_EACH, p->run_directory, p->run_environment,
                    interrupted, context, error);
    if (code == 0)
        code = open_stdin(p, test, error);
    if (code) { /* what was half done must go */
        hooks_close(&p->hooks);
        prepare_run_end(p, test, interrupted, context, &ignored);
    }
    return code;
}

int prepare_run_end(struct prepare *p, const struct suite_test *test,
                    bool (*interrupted)(void *context), void *context, struct rr_error *error)
{
    int code = run_hook(&p->hooks, test, SUITE_TEARDOWN_EACH, p->run_directory, p->run_environment,
                        interrupted, context, error);
    int cleared = clear_run(p, test);

    if (code == 0 && cleared)
        code = rr_error_set(error, cleared, "files: cannot empty %s: %s", p->directory,
                            strerror(-cleared));
    return code;
}

/* --- a test -------------------------------------------------------------------------------------
 */

int prepare_test_begin(struct hooks *hooks, const struct suite_test *test,
                       bool (*interrupted)(void *context), void *context, struct rr_error *error)
{
    int code = run_hook(hooks, test, SUITE_SETUP, test->working_directory, test->full_environment,
                        interrupted, context, error);

    if (code)
        hooks_close(hooks);
    return code;
}

int prepare_test_end(struct hooks *hooks, const struct suite_test *test,
                     bool (*interrupted)(void *context), void *context, struct rr_error *error)
{
    int code = run_hook(hooks, test, SUITE_TEARDOWN, test->working_directory,
                        test->full_environment, interrupted, context, error);

    hooks_close(hooks);
    return code;
}
