/* For 17-reports.sh: writes what breaks careless reports, waits a moment in two threads, and fails.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char text[] =
    "\033]0;title\007\033[2J\033[31mred </script><script>alert(1)</script> ]]> &amp;\n"
    "::error::boom\n::stop-commands::t\n##[error]x\n"
    "\xff\xfe \xc3( \xed\xa0\x80 \xc2\x9b"
    "31m \xe2\x80\xae"
    "reordered \xe2\x80\xa8 \xef\xbf\xbf\n"
    "ok 1\nnot ok 2\n1..9\nBail out!\n```\n| `code` <!-- -->\n"
    "zero:\0behind\r\rover\x7f\nlast words\n";

static void *named(void *argument)
{
    prctl(PR_SET_NAME, "\033[31m]]>\xff");
    pause();
    return argument;
}

int main(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, named, NULL) != 0)
        return 99;
    usleep(1000);
    fwrite(text, 1, sizeof(text) - 1, stderr);
    abort();
}
