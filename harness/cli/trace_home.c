/* Default places of traces. */
#include "harness/cli/trace_home.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/base/file.h"
#include "recorder/base/text.h"

#define NUMBER_MAX 1000000

static char *join(const char *a, const char *b)
{
    char *path;

    path = text_make("%s/%s", a, b);
    return path;
}

char *trace_home(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    char *path;

    if (data && *data == '/')
        return join(data, "rrtest");
    if (home && *home == '/')
        return join(home, ".local/share/rrtest");
    path = strdup("rrtest-traces");
    if (!path)
        abort();
    return path;
}

int trace_home_claim(const char *program, char **ret, struct rr_error *error)
{
    char *home = trace_home();
    const char *slash = strrchr(program, '/');
    int code = file_make_directories(home, 0777);

    if (code) {
        rr_error_set(error, code, "cannot make %s: %s; use -o", home, strerror(-code));
        free(home);
        return code;
    }
    code = -EEXIST;
    for (int n = 0; code == -EEXIST && n < NUMBER_MAX; n++) {
        char *path;

        path = text_make("%s/%s-%d", home, slash ? slash + 1 : program, n);
        code = mkdir(path, 0777) < 0 ? -errno : 0;
        if (code == 0)
            *ret = path;
        else
            free(path);
    }
    if (code)
        rr_error_set(error, code, "cannot make a folder in %s: %s; use -o", home, strerror(-code));
    free(home);
    return code;
}

void trace_home_set_latest(const char *trace)
{
    char *home = trace_home();
    char *latest = join(home, "latest");
    const char *slash = strrchr(trace, '/');
    char *fresh;

    fresh = text_make("%s.%d", latest, (int)getpid());
    if (symlink(slash ? slash + 1 : trace, fresh) == 0 && rename(fresh, latest) < 0)
        unlink(fresh);
    free(fresh);
    free(latest);
    free(home);
}

char *trace_home_latest(struct rr_error *error)
{
    char *home = trace_home();
    char *latest = join(home, "latest");
    struct stat status;

    if (lstat(latest, &status) < 0) {
        int code = -errno;

        rr_error_set(error, code,
                     "no latest trace in %s: %s; name a trace, or make one with rrtest record",
                     home, strerror(-code));
        free(latest);
        latest = NULL;
    }
    free(home);
    return latest;
}

int trace_home_open(const char *command, const struct option_result *operands,
                    struct pack_place *ret, struct rr_error *error)
{
    char *latest = NULL;
    int code;

    if (operands->count > 1)
        return rr_error_set(error, -EINVAL, "%s: expected one trace, got %d", command,
                            operands->count);
    if (operands->count == 0) {
        latest = trace_home_latest(error);
        if (!latest)
            return error->code;
    }
    code = pack_place_open(latest ? latest : operands->operands[0], ret, error);
    free(latest);
    return code;
}
