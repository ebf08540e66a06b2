/* Hand-written assembly with tables between and inside its functions: every digest and cipher of
 * libcrypto, and an RSA signature, under several sets of CPU features, rewritten against native.
 * A rewriter that takes tables for code fails here, and often nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recorder/images/tests/launch.h"

#define OPENSSL "/usr/bin/openssl"
#define COMMANDS_MAX 200

/* OPENSSL_ia32cap(3): ~ takes features away. */
static const char *const capabilities[] = {
    "OPENSSL_ia32cap=",                                /* what the processor has */
    "OPENSSL_ia32cap=~0x200000200000000",              /* no AES-NI, no PCLMULQDQ */
    "OPENSSL_ia32cap=:~0x20000000",                    /* no SHA extensions */
    "OPENSSL_ia32cap=~0x1000000000000000:~0xffffffff", /* no AVX and nothing newer */
    "OPENSSL_ia32cap=~0x1200020200000000:~0xffffffff", /* nor SSSE3, AES-NI */
};

struct harness {
    char directory[64];
    char key[96];
    bool usable;
};

static int set_up(void **state)
{
    struct harness *h = calloc(1, sizeof(*h));
    char command[256];
    struct stat st;
    const char *const argv[] = {"/bin/true", NULL};
    struct launch launch = {.argv = argv};
    struct launch_result result;

    *state = h;
    snprintf(h->directory, sizeof(h->directory), "/tmp/rrtest-crypto-XXXXXX");
    if (!mkdtemp(h->directory))
        return -1;
    snprintf(h->key, sizeof(h->key), "%s/key.pem", h->directory);
    snprintf(command, sizeof(command), OPENSSL " genrsa -out %s 2048 2>/dev/null", h->key);
    h->usable =
        stat(OPENSSL, &st) == 0 && system(command) == 0 && launch_run(&launch, &result) == 0;
    return 0;
}

static int tear_down(void **state)
{
    struct harness *h = *state;
    char command[128];
    int status;

    snprintf(command, sizeof(command), "rm -rf %s", h->directory);
    status = system(command);
    free(h);
    return status;
}

static void compare(const struct harness *h, const char *const *argv, const char *capability)
{
    const char *const environment[] = {capability, NULL};
    struct launch launch = {.argv = argv,
                            .environment = capability[16] ? environment : NULL,
                            .cache = h->directory,
                            .silent = true, /* remarks about lengths of keys */
                            .native = true};
    struct launch_result native, rewritten;

    assert_int_equal(launch_run(&launch, &native), 0);
    launch.native = false;
    assert_int_equal(launch_run(&launch, &rewritten), 0);
    assert_true(rewritten.images >= 4);
    assert_int_equal(rewritten.conflicts, 0);
    if (native.status != rewritten.status || native.output.length != rewritten.output.length ||
        (native.output.length > 0 &&
         memcmp(native.output.data, rewritten.output.data, native.output.length) != 0))
        fail_msg("openssl %s %s with %s differs from native", argv[1], argv[2], capability);
    bytes_done(&native.output);
    bytes_done(&rewritten.output);
}

/* The words that `openssl list OPTION` prints. */
static size_t list(const char *option, char names[][32])
{
    char command[64];
    size_t count = 0;
    FILE *out;

    snprintf(command, sizeof(command), OPENSSL " list %s", option);
    out = popen(command, "r");
    assert_non_null(out);
    while (count < COMMANDS_MAX && fscanf(out, "%31s", names[count]) == 1)
        count++;
    pclose(out);
    assert_true(count > 5);
    return count;
}

static void test_digests(void **state)
{
    static char names[COMMANDS_MAX][32];
    const struct harness *h = *state;
    size_t count;

    if (!h->usable)
        skip();
    count = list("-digest-commands", names);
    for (size_t c = 0; c < sizeof(capabilities) / sizeof(capabilities[0]); c++)
        for (size_t i = 0; i < count; i++)
            compare(h, (const char *const[]){OPENSSL, names[i], TEST_PROGRAM_CXX, NULL},
                    capabilities[c]);
}

static void test_ciphers(void **state)
{
    static char names[COMMANDS_MAX][32];
    const struct harness *h = *state;
    size_t count;

    if (!h->usable)
        skip();
    count = list("-cipher-commands", names);
    for (size_t c = 0; c < sizeof(capabilities) / sizeof(capabilities[0]); c++)
        for (size_t i = 0; i < count; i++)
            compare(h,
                    (const char *const[]){
                        OPENSSL, names[i], "-e", "-K", "00112233445566778899aabbccddeeff", "-iv",
                        "0123456789abcdef0123456789abcdef", "-in", TEST_PROGRAM_CXX, NULL},
                    capabilities[c]);
}

static void test_signature(void **state)
{
    const struct harness *h = *state;

    if (!h->usable)
        skip();
    for (size_t c = 0; c < sizeof(capabilities) / sizeof(capabilities[0]); c++)
        compare(h,
                (const char *const[]){OPENSSL, "dgst", "-sha256", "-sign", h->key, TEST_PROGRAM_CXX,
                                      NULL},
                capabilities[c]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_digests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ciphers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signature, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
