/* What the programs of this folder share: checks, pipes, waiting for each other, and interrupting a
 * thread inside a system call.
 *
 * A program prints "NAME: ok" and exits with 0, or says on stderr what was wrong and exits with 1.
 * Its first argument is the shape of its sites (site.h; default "before"). SIGUSR1 belongs to
 * whoever wants to disturb: it may come at any time, its handler makes calls of its own and they
 * are checked. */
#ifndef SCENE_H
#define SCENE_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <ucontext.h>

#include "site.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* First call of main(). */
void scene_begin(int argc, char **argv);
/* Last one: the line of output; returns 0. */
int scene_end(void);
enum shape scene_shape(void);
/* argv[2], or what is given. */
const char *scene_argument(const char *otherwise);
const char *scene_program(void);

#define CHECK(condition) scene_check(condition, #condition, __FILE__, __LINE__)
/* As CHECK, with the value. */
#define CHECK_IS(value, expected) \
    scene_check_is((long)(value), (long)(expected), #value, __FILE__, __LINE__)
void scene_check(bool good, const char *text, const char *file, int line);
void scene_check_is(long value, long expected, const char *text, const char *file, int line);

/* Let others run for a short while. */
void scene_nap(void);
/* Until *word is at least value. A failure if that takes ten seconds. */
void scene_await(atomic_int *word, int value);

struct pipe {
    int read_end, write_end;
};
struct pipe scene_pipe(void);
void scene_send(const struct pipe *p, char byte);
/* One byte that must be there or come. */
char scene_receive(const struct pipe *p);

pthread_t scene_thread(void *(*function)(void *), void *argument);
void *scene_join(pthread_t thread);
/* The process ends with this wait status. */
void scene_reap(pid_t pid, int expected_status);

void scene_handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags);

/* An interruption that has to hit a thread inside a call: the target's handler says scene_hit() and
 * does its work only if that is true; scene_interrupt() signals until it was. */
struct interruption {
    atomic_int armed;
    int signal;
};
void scene_interrupt(struct interruption *i, pthread_t target);
/* Armed, and was the thread in the call at this instruction? */
bool scene_hit(struct interruption *i, const void *context, unsigned long instruction);
unsigned long scene_ip(const void *context);

#endif
