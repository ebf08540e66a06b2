/* Everything threads wait for each other with, and the futex operations underneath. */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>

#include "check.h"

static pthread_t start(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, function, argument) == 0);
    return thread;
}

static void *join(pthread_t thread)
{
    void *result;
    CHECK(pthread_join(thread, &result) == 0);
    return result;
}

static struct timespec soon(clockid_t clock, long ms)
{
    struct timespec at;
    clock_gettime(clock, &at);
    at.tv_nsec += ms * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

/* --- mutexes --- */

static pthread_mutex_t mutex;
static long counter;

static void *add_locked(void *unused)
{
    for (int i = 0; i < 100; i++) {
        CHECK(pthread_mutex_lock(&mutex) == 0);
        long seen = counter;
        if (i % 10 == 0)
            sched_yield();
        counter = seen + 1;
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return unused;
}

static void mutex_kinds(void)
{
    static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP};
    for (int protocol = 0; protocol < 2; protocol++)
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
            pthread_mutexattr_t attributes;
            CHECK(pthread_mutexattr_init(&attributes) == 0);
            CHECK(pthread_mutexattr_settype(&attributes, kinds[i]) == 0);
            if (protocol)
                CHECK(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
            CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
            counter = 0;
            pthread_t threads[4];
            for (int t = 0; t < 4; t++)
                threads[t] = start(add_locked, NULL);
            for (int t = 0; t < 4; t++)
                join(threads[t]);
            CHECK(counter == 400);
            CHECK(pthread_mutex_lock(&mutex) == 0);
            if (kinds[i] == PTHREAD_MUTEX_RECURSIVE)
                CHECK(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
            if (kinds[i] == PTHREAD_MUTEX_ERRORCHECK)
                CHECK(pthread_mutex_lock(&mutex) == EDEADLK);
            CHECK(pthread_mutex_unlock(&mutex) == 0 && pthread_mutex_destroy(&mutex) == 0);
        }
}

static void *hold_briefly(void *unused)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
    let_others_block();
    let_others_block();
    let_others_block();
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return unused;
}

static void timed_locks(void)
{
    for (int protocol = 0; protocol < 2; protocol++) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        if (protocol)
            pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
        CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
        pthread_t holder = start(hold_briefly, NULL);
        let_others_block();
        CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
        struct timespec at = soon(CLOCK_REALTIME, 10);
        CHECK(pthread_mutex_timedlock(&mutex, &at) == ETIMEDOUT);
        if (!protocol) {
            at = soon(CLOCK_MONOTONIC, 5);
            CHECK(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &at) == ETIMEDOUT);
        }
        at = soon(CLOCK_REALTIME, 10000);
        CHECK(pthread_mutex_timedlock(&mutex, &at) == 0 && pthread_mutex_unlock(&mutex) == 0);
        join(holder);
    }
}

static void *die_with_lock(void *lock)
{
    CHECK(pthread_mutex_lock(lock) == 0);
    return NULL;
}

static void *take_robust(void *lock)
{
    return (void *)(long)pthread_mutex_lock(lock);
}

static void robust(void)
{
    for (int protocol = 0; protocol < 2; protocol++)
        for (int shared = 0; shared < 2; shared++) {
            pthread_mutex_t *lock =
                mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
            pthread_mutexattr_t attributes;
            pthread_mutexattr_init(&attributes);
            pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
            pthread_mutexattr_setprotocol(&attributes,
                                          protocol ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
            pthread_mutexattr_setpshared(&attributes, shared);
            CHECK(pthread_mutex_init(lock, &attributes) == 0);
            if (shared) {
                int ends[2];
                CHECK(pipe(ends) == 0);
                pid_t child = fork();
                if (child == 0) {
                    CHECK(pthread_mutex_lock(lock) == 0);
                    CHECK(write(ends[1], "l", 1) == 1);
                    let_others_block();
                    raise(SIGKILL);
                }
                char byte;
                CHECK(read(ends[0], &byte, 1) == 1);
                /* waits until the owner is killed */
                CHECK(pthread_mutex_lock(lock) == EOWNERDEAD);
                CHECK(waitpid(child, NULL, 0) == child);
            } else {
                join(start(die_with_lock, lock));
                CHECK(pthread_mutex_lock(lock) == EOWNERDEAD);
            }
            CHECK(pthread_mutex_consistent(lock) == 0 && pthread_mutex_unlock(lock) == 0);
            join(start(die_with_lock, lock));
            CHECK(pthread_mutex_lock(lock) == EOWNERDEAD && pthread_mutex_unlock(lock) == 0);
            CHECK((long)join(start(take_robust, lock)) == ENOTRECOVERABLE);
        }
}

/* --- conditions --- */

static pthread_cond_t condition;
static int turn;

static void *take_turns(void *number)
{
    int own = (int)(long)number;
    CHECK(pthread_mutex_lock(&mutex) == 0);
    for (int i = 0; i < 20; i++) {
        while (turn % 3 != own)
            CHECK(pthread_cond_wait(&condition, &mutex) == 0);
        turn++;
        CHECK(pthread_cond_broadcast(&condition) == 0);
    }
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return NULL;
}

static void conditions(void)
{
    for (int kind = 0; kind < 2; kind++) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setprotocol(&attributes, kind ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE);
        CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
        CHECK(pthread_cond_init(&condition, NULL) == 0);
        turn = 0;
        pthread_t threads[3];
        for (long t = 0; t < 3; t++)
            threads[t] = start(take_turns, (void *)t);
        for (int t = 0; t < 3; t++)
            join(threads[t]);
        CHECK(turn == 60);
        CHECK(pthread_mutex_lock(&mutex) == 0);
        struct timespec at = soon(CLOCK_REALTIME, 10);
        CHECK(pthread_cond_timedwait(&condition, &mutex, &at) == ETIMEDOUT);
        at = soon(CLOCK_MONOTONIC, 10);
        CHECK(pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &at) == ETIMEDOUT);
        CHECK(pthread_mutex_unlock(&mutex) == 0 && pthread_cond_destroy(&condition) == 0);
    }
}

/* --- readers and writers, barriers, semaphores, once --- */

static pthread_rwlock_t rwlock;
static int readers_inside, writers_inside, rounds;

static void *read_shared(void *unused)
{
    for (int i = 0; i < 30; i++) {
        CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
        __atomic_add_fetch(&readers_inside, 1, __ATOMIC_SEQ_CST);
        CHECK(writers_inside == 0);
        sched_yield();
        __atomic_sub_fetch(&readers_inside, 1, __ATOMIC_SEQ_CST);
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    }
    return unused;
}

static void *write_alone(void *unused)
{
    for (int i = 0; i < 30; i++) {
        CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
        CHECK(++writers_inside == 1 && __atomic_load_n(&readers_inside, __ATOMIC_SEQ_CST) == 0);
        sched_yield();
        writers_inside--;
        rounds++;
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    }
    return unused;
}

static void readers_writers(void)
{
    CHECK(pthread_rwlock_init(&rwlock, NULL) == 0);
    pthread_t threads[5];
    for (int t = 0; t < 5; t++)
        threads[t] = start(t < 3 ? read_shared : write_alone, NULL);
    for (int t = 0; t < 5; t++)
        join(threads[t]);
    CHECK(rounds == 60);
    CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
    struct timespec at = soon(CLOCK_REALTIME, 5);
    CHECK(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
    CHECK(pthread_rwlock_timedwrlock(&rwlock, &at) == ETIMEDOUT);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
}

static pthread_barrier_t barrier;
static int phase_count[10], serial_count;

static void *pass_barriers(void *unused)
{
    for (int phase = 0; phase < 10; phase++) {
        __atomic_add_fetch(&phase_count[phase], 1, __ATOMIC_SEQ_CST);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&serial_count, 1, __ATOMIC_SEQ_CST);
        CHECK(phase_count[phase] == 4);
    }
    return unused;
}

static void barriers(void)
{
    CHECK(pthread_barrier_init(&barrier, NULL, 4) == 0);
    pthread_t threads[4];
    for (int t = 0; t < 4; t++)
        threads[t] = start(pass_barriers, NULL);
    for (int t = 0; t < 4; t++)
        join(threads[t]);
    CHECK(serial_count == 10 && pthread_barrier_destroy(&barrier) == 0);
}

static sem_t slots, items;
static int ring[4], ring_in, ring_out;

static void *produce(void *unused)
{
    for (int i = 1; i <= 50; i++) {
        CHECK(sem_wait(&slots) == 0);
        ring[ring_in++ % 4] = i;
        CHECK(sem_post(&items) == 0);
    }
    return unused;
}

static void semaphores(void)
{
    CHECK(sem_init(&slots, 0, 4) == 0 && sem_init(&items, 0, 0) == 0);
    pthread_t producer = start(produce, NULL);
    for (int i = 1; i <= 50; i++) {
        CHECK(sem_wait(&items) == 0);
        CHECK(ring[ring_out++ % 4] == i);
        CHECK(sem_post(&slots) == 0);
    }
    join(producer);
    CHECK(sem_trywait(&items) == -1 && errno == EAGAIN);
    struct timespec at = soon(CLOCK_REALTIME, 10);
    CHECK(sem_timedwait(&items, &at) == -1 && errno == ETIMEDOUT);
    /* between processes */
    sem_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(sem_init(&shared[0], 1, 0) == 0 && sem_init(&shared[1], 1, 0) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 10; i++)
            CHECK(sem_wait(&shared[0]) == 0 && sem_post(&shared[1]) == 0);
        _exit(0);
    }
    for (int i = 0; i < 10; i++)
        CHECK(sem_post(&shared[0]) == 0 && sem_wait(&shared[1]) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    char name[32];
    snprintf(name, sizeof name, "/sync-%d", getpid());
    sem_t *named = sem_open(name, O_CREAT, 0600, 1);
    CHECK(named != SEM_FAILED && sem_wait(named) == 0 && sem_unlink(name) == 0);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_count;

static void run_once(void)
{
    once_count++;
    let_others_block();
}

static void *call_once_here(void *unused)
{
    CHECK(pthread_once(&once, run_once) == 0 && once_count == 1);
    return unused;
}

static pthread_spinlock_t spin;

static void *spin_locked(void *unused)
{
    for (int i = 0; i < 100; i++) {
        CHECK(pthread_spin_lock(&spin) == 0);
        counter++;
        CHECK(pthread_spin_unlock(&spin) == 0);
    }
    return unused;
}

static void once_and_spin(void)
{
    pthread_t threads[3];
    for (int t = 0; t < 3; t++)
        threads[t] = start(call_once_here, NULL);
    for (int t = 0; t < 3; t++)
        join(threads[t]);
    CHECK(pthread_spin_init(&spin, 0) == 0);
    counter = 0;
    for (int t = 0; t < 3; t++)
        threads[t] = start(spin_locked, NULL);
    for (int t = 0; t < 3; t++)
        join(threads[t]);
    CHECK(counter == 300);
}

static mtx_t c11_mutex;
static cnd_t c11_condition;
static int c11_ready;

static int c11_thread(void *unused)
{
    (void)unused;
    mtx_lock(&c11_mutex);
    c11_ready = 1;
    cnd_signal(&c11_condition);
    mtx_unlock(&c11_mutex);
    return 5;
}

static void c11(void)
{
    thrd_t thread;
    int result;
    CHECK(mtx_init(&c11_mutex, mtx_plain) == thrd_success);
    CHECK(cnd_init(&c11_condition) == thrd_success);
    CHECK(thrd_create(&thread, c11_thread, NULL) == thrd_success);
    mtx_lock(&c11_mutex);
    while (!c11_ready)
        cnd_wait(&c11_condition, &c11_mutex);
    mtx_unlock(&c11_mutex);
    CHECK(thrd_join(thread, &result) == thrd_success && result == 5);
}

/* --- threads --- */

static pthread_key_t key;
static int destroyed;

static void on_destroy(void *value)
{
    destroyed += (int)(long)value;
}

static __thread int own = 7;

static void *use_key(void *value)
{
    CHECK(own == 7 && pthread_getspecific(key) == NULL);
    own = (int)(long)value;
    CHECK(pthread_setspecific(key, value) == 0);
    return NULL;
}

static void threads(void)
{
    CHECK(pthread_key_create(&key, on_destroy) == 0);
    for (long i = 1; i <= 20; i++)
        join(start(use_key, (void *)i));
    CHECK(destroyed == 210 && own == 7);

    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 65536) == 0);
    for (long i = 0; i < 10; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, use_key, (void *)1L) == 0);
    }
    let_others_block();
    CHECK(destroyed == 220);
    struct timespec at = soon(CLOCK_REALTIME, 10);
    pthread_t holder = start(hold_briefly, NULL);
    CHECK(pthread_timedjoin_np(holder, NULL, &at) == ETIMEDOUT);
    CHECK(pthread_tryjoin_np(holder, NULL) == EBUSY);
    join(holder);
    CHECK(pthread_setname_np(pthread_self(), "renamed") == 0);
    char name[16];
    CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0 &&
          strcmp(name, "renamed") == 0);
}

/* --- the raw calls --- */

static long futex(int *word, int operation, long value, const void *timeout, int *other, long third)
{
    return syscall(SYS_futex, word, operation, value, timeout, other, third);
}

static int words[4];

static void *wait_raw(void *mask)
{
    return (void *)futex(&words[0], FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (long)mask);
}

static void *wait_requeued(void *unused)
{
    (void)unused;
    return (void *)futex(&words[0], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void raw(void)
{
    struct timespec limit = {0, 10 * 1000 * 1000}, none = {0, 0}, wrong = {0, 2000000000};
    CHECK(futex(&words[0], FUTEX_WAIT, 1, NULL, NULL, 0) == -1 && errno == EAGAIN);
    CHECK(futex(&words[0], FUTEX_WAIT, 0, &limit, NULL, 0) == -1 && errno == ETIMEDOUT);
    CHECK(futex(&words[0], FUTEX_WAIT, 0, &none, NULL, 0) == -1 && errno == ETIMEDOUT);
    CHECK(futex(&words[0], FUTEX_WAIT, 0, &wrong, NULL, 0) == -1 && errno == EINVAL);
    CHECK(futex((int *)((char *)words + 1), FUTEX_WAIT, 0, &none, NULL, 0) == -1 &&
          errno == EINVAL);
    CHECK(futex((int *)8, FUTEX_WAIT, 0, &none, NULL, 0) == -1 && errno == EFAULT);
    CHECK(futex(&words[0], FUTEX_WAIT_BITSET, 0, NULL, NULL, 0) == -1 && errno == EINVAL);
    CHECK(futex(&words[0], 77, 0, NULL, NULL, 0) == -1 && errno == ENOSYS);
    CHECK(futex(&words[0], FUTEX_WAKE, 10, NULL, NULL, 0) == 0);

    pthread_t waiters[4];
    for (long i = 0; i < 4; i++)
        waiters[i] = start(wait_raw, (void *)(1L << i));
    let_others_block();
    CHECK(futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 4) == 1);
    CHECK((long)join(waiters[2]) == 0);
    CHECK(futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 3) == 2);
    CHECK(futex(&words[0], FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 1);
    join(waiters[0]);
    join(waiters[1]);
    join(waiters[3]);

    for (int i = 0; i < 4; i++)
        waiters[i] = start(wait_requeued, NULL);
    let_others_block();
    CHECK(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &words[1], 5) == -1 &&
          errno == EAGAIN);
    CHECK(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &words[1], 0) == 3);
    CHECK(futex(&words[1], FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 2);
    CHECK(futex(&words[0], FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 1);
    for (int i = 0; i < 4; i++)
        join(waiters[i]);

    waiters[0] = start(wait_requeued, NULL);
    let_others_block();
    words[1] = 3;
    int operation = FUTEX_OP(FUTEX_OP_ADD, 4, FUTEX_OP_CMP_EQ, 3);
    CHECK(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &words[1], operation) == 1);
    CHECK(words[1] == 7);
    join(waiters[0]);

    /* priority inheritance: the word holds the owner's tid */
    int pi = 0;
    CHECK(futex(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0 && pi == (int)syscall(SYS_gettid));
    CHECK(futex(&pi, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == -1 && errno == EDEADLK);
    CHECK(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0 && pi == 0);
    CHECK(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == -1 && errno == EPERM);
    CHECK(futex(&pi, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) == 0);
    CHECK(futex(&pi, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
}

static int pi_word, condition_word;

static void *wait_requeue_pi(void *unused)
{
    (void)unused;
    long result = futex(&condition_word, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, NULL, &pi_word, 0);
    CHECK(result == 0 && (pi_word & FUTEX_TID_MASK) == (int)syscall(SYS_gettid));
    counter++;
    CHECK(futex(&pi_word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    return NULL;
}

static void requeue_pi(void)
{
    counter = 0;
    pthread_t waiters[3];
    for (int i = 0; i < 3; i++)
        waiters[i] = start(wait_requeue_pi, NULL);
    let_others_block();
    CHECK(futex(&pi_word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(futex(&condition_word, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)100L, &pi_word, 0) == 3);
    CHECK(counter == 0);
    CHECK(futex(&pi_word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    for (int i = 0; i < 3; i++)
        join(waiters[i]);
    CHECK(counter == 3 && pi_word == 0);
}

static void *exit_with_tid_word(void *unused)
{
    syscall(SYS_set_tid_address, &words[3]);
    words[3] = 1;
    return unused;
}

/* the kernel clears a word of the program's choice, and wakes who waits for it, when a thread exits
 */
static void cleared_tid(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    words[3] = 1;
    CHECK(pthread_create(&thread, &attributes, exit_with_tid_word, NULL) == 0);
    while (__atomic_load_n(&words[3], __ATOMIC_SEQ_CST) == 1)
        futex(&words[3], FUTEX_WAIT, 1, NULL, NULL, 0);
    CHECK(words[3] == 0);
}

static const struct test_case cases[] = {
    {"mutex_kinds", mutex_kinds},
    {"timed_locks", timed_locks},
    {"robust", robust},
    {"conditions", conditions},
    {"readers_writers", readers_writers},
    {"barriers", barriers},
    {"semaphores", semaphores},
    {"once_and_spin", once_and_spin},
    {"c11", c11},
    {"threads", threads},
    {"raw", raw},
    {"requeue_pi", requeue_pi},
    {"cleared_tid", cleared_tid},
};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
