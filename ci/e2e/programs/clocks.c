/* Looks at clocks all the time, in every order: many looks share a record, which other calls, other
 * clocks, other places to write to, whole seconds and preemptions end. What it saw is in its
 * memory, which replay compares. */
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "check.h"

static uint64_t sum;

static void mix(uint64_t value)
{
    sum = (sum ^ value) * 0x9fb21c651e98df25ull;
    sum ^= sum >> 29;
}

static uint64_t look(clockid_t clock, struct timespec *at)
{
    CHECK(clock_gettime(clock, at) == 0);
    mix((uint64_t)at->tv_nsec);
    mix((uint64_t)at->tv_sec);
    return (uint64_t)at->tv_sec * 1000000000u + (uint64_t)at->tv_nsec;
}

static void same_again(void)
{
    struct timespec at;
    uint64_t last = 0;

    for (int i = 0; i < 3000; i++) {
        uint64_t now = look(CLOCK_MONOTONIC, &at);

        CHECK(now >= last);
        last = now;
        for (volatile int spin = 0; spin < i % 5; spin++)
            ;
    }
}

static void mixed(void)
{
    struct timespec at[2];
    struct timeval day;
    unsigned processor;

    for (int i = 0; i < 2000; i++) {
        for (int k = 0; k < i % 4; k++)
            look(i % 3 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &at[k & 1 & i]);
        for (int k = 0; k < i % 7; k++)
            mix(__rdtsc());
        if (i % 5 == 0)
            mix(__rdtscp(&processor) + processor);
        if (i % 11 == 0)
            look(CLOCK_MONOTONIC_COARSE, &at[0]);
        if (i % 13 == 0) {
            CHECK(gettimeofday(&day, NULL) == 0);
            mix((uint64_t)day.tv_usec);
        }
        if (i % 17 == 0)
            mix((uint64_t)getppid() != 0);
    }
}

/* Longer than a second, so that what is counted from the first look carries over. */
static void seconds(void)
{
    struct timespec at;
    uint64_t start = look(CLOCK_MONOTONIC, &at), now = start;
    volatile unsigned work = 0;

    while (now - start < 30000000) { /* of virtual time: 4 ns a tick */
        for (int i = 0; i < 1000; i++)
            work += (unsigned)i;
        now = look(CLOCK_MONOTONIC, &at);
    }
    CHECK(usleep(990000) == 0);
    while (now - start < 1050000000)
        now = look(CLOCK_MONOTONIC, &at);
}

int main(void)
{
    same_again();
    mixed();
    seconds();
    printf("the clocks went on\n");
    return 0;
}
