/* Command line of the launch harness, for experiments and timings:
 *     launch [-n] [-p PERIOD] [-s STEPS] [-q] [-c CACHE] PROGRAM ARGS... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder/images/tests/launch.h"

int main(int argc, char **argv)
{
    struct launch launch = {0};
    struct launch_result result;
    int option, error;

    while ((option = getopt(argc, argv, "+np:qc:i:s:")) != -1) {
        if (option == 'n')
            launch.native = true;
        else if (option == 'p')
            launch.period = atoll(optarg);
        else if (option == 'q')
            launch.discard = true;
        else if (option == 'c')
            launch.cache = optarg;
        else if (option == 's')
            launch.steps = (uint64_t)atoll(optarg);
        else if (option == 'i')
            launch.input = optarg;
        else
            return 2;
    }
    launch.argv = (const char *const *)(argv + optind);
    error = launch_run(&launch, &result);
    if (error) {
        fprintf(stderr, "launch: %s\n", strerror(-error));
        return 99;
    }
    fwrite(result.output.data, 1, result.output.length, stdout);
    fprintf(stderr,
            "status %#x ticks %llu atomics %llu traps %llu images %llu conflicts %llu "
            "user %.3f total %.3f\n",
            (unsigned)result.status, (unsigned long long)result.ticks,
            (unsigned long long)result.atomics, (unsigned long long)result.traps,
            (unsigned long long)result.images, (unsigned long long)result.conflicts,
            result.user_seconds, result.total_seconds);
    if (launch.steps)
        fprintf(stderr, "steps %llu interiors %llu most hits %llu over %llu worst %s\n",
                (unsigned long long)result.steps.count, (unsigned long long)result.steps.interiors,
                (unsigned long long)result.steps.most_hits, (unsigned long long)result.steps.over,
                result.steps.worst);
    bytes_done(&result.output);
    return WIFEXITED(result.status) ? WEXITSTATUS(result.status) : 128 + WTERMSIG(result.status);
}
