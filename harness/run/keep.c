/* Kept traces on disk. The writer makes the folder by renaming; this file cares for what was there
 * before and for the parents. */
#include "harness/run/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/run/quota.h"
#include "recorder/base/file.h"
#include "recorder/base/text.h"
#include "recorder/trace/trace.h"

#define ASIDE ".old-"     /* behind the name of a trace that is being replaced */
#define HALF_MADE ".new-" /* in the name of one that is being written: recorder/trace/output.c */

char *keep_path(const struct run_options *options, const struct suite_test *test,
                const struct job *job)
{
    if (options->has_run_seed && job->run > 1)
        return text_make("%s/%s/%" PRIu64 ".%" PRIu64, options->out, test->name, job->seed,
                         job->run);
    return text_make("%s/%s/%" PRIu64, options->out, test->name, job->seed);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int keep_remove_tree(const char *path)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return 0;
    return -errno;
}

static void remove_parents(const struct run_options *options, const struct suite_test *test)
{
    char *folder = text_make("%s/%s", options->out, test->name);

    if (rmdir(folder) == 0)
        rmdir(options->out); /* fails, as it should, unless empty */
    free(folder);
}

static void mend_entry(const char *folder, const char *name)
{
    const char *suffix = strstr(name, ASIDE);
    char *path = text_make("%s/%s", folder, name);
    char *original;

    if (suffix) {
        original = text_make("%s/%.*s", folder, (int)(suffix - name), name);
        if (access(original, F_OK) < 0)
            rename(path, original);
        else
            keep_remove_tree(path);
        free(original);
    } else if (*name == '.' && strstr(name, HALF_MADE)) {
        keep_remove_tree(path);
    }
    free(path);
}

void keep_mend(const struct run_options *options, const struct suite_test *test)
{
    char *folder = text_make("%s/%s", options->out, test->name);
    DIR *directory = opendir(folder);

    if (directory) {
        for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
            mend_entry(folder, entry->d_name);
        closedir(directory);
        remove_parents(options, test);
    }
    free(folder);
}

void keep_remove(const struct run_options *options, const struct suite_test *test,
                 const struct job *job)
{
    char *path = keep_path(options, test, job);

    keep_remove_tree(path);
    remove_parents(options, test);
    free(path);
}

/* Move what an earlier session left at `path` out of the way. *ret_aside: NULL if there is nothing.
 */
static int set_aside(const char *path, char **ret_aside, struct rr_error *error)
{
    char *meta = text_make("%s/meta.json", path);
    struct stat status;
    int code = 0;

    *ret_aside = NULL;
    if (lstat(path, &status) == 0) {
        if (access(meta, F_OK) < 0) {
            code = rr_error_set(error, -EEXIST, "%s exists and is not a trace", path);
        } else {
            *ret_aside = text_make("%s" ASIDE "%d", path, (int)getpid());
            if (rename(path, *ret_aside) < 0) {
                code = rr_error_set(error, -errno, "cannot rename %s: %s", path, strerror(errno));
                free(*ret_aside);
                *ret_aside = NULL;
            }
        }
    }
    free(meta);
    return code;
}

int keep_trace(const struct run_options *options, const struct suite_test *test,
               const struct job *job, struct record_result *result, uint64_t *ret_bytes,
               struct rr_error *error)
{
    char *path = keep_path(options, test, job);
    char *folder = text_make("%s/%s", options->out, test->name);
    char *aside = NULL;
    int code = file_make_directories(folder, 0777);

    if (code)
        rr_error_set(error, code, "cannot make %s: %s", folder, strerror(-code));
    else
        code = set_aside(path, &aside, error);
    if (code == 0 && !result->trace)
        code = rr_error_set(error, -ENOENT, "the recorder returned no trace");
    if (code == 0)
        code = trace_writer_keep(result->trace, path, &result->meta, error);
    if (code == 0)
        *ret_bytes = quota_trace_bytes(path);
    if (aside && code)
        rename(aside, path);
    else if (aside)
        keep_remove_tree(aside);
    if (code)
        remove_parents(options, test);
    free(aside);
    free(folder);
    free(path);
    return code;
}
