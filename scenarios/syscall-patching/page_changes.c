/* A thread waits in a call, made by code in a page of the program's own, while another thread
 * changes that page: "protect" makes it writable and executable again, "unmap" puts other code
 * there, "remap" moves it away and puts a copy there. What the page holds then is the program's
 * business alone. */
#include <string.h>
#include <sys/mman.h>

/* The code in the page is a copy. */
#define SITES_AS_DATA
#include "scene.h"

enum { PAGE = 4096, ROUNDS = 3, OTHER_RESULT = 55 };

SITE(read, NR_read, (long fd, void *buffer, size_t size));

typedef long read_call(long fd, void *buffer, size_t size);

static read_call *code;
static struct pipe data, own;
static atomic_int begun;
static long expected;

static void make_writable(char *page)
{
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
}

static void make_executable(char *page)
{
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0);
}

static void fill(char *page, const void *bytes, size_t size)
{
    memset(page, 0xcc, PAGE);
    memcpy(page, bytes, size);
}

static char *place(char *address)
{
    char *page = mmap(address, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED : 0), -1, 0);
    CHECK(page != MAP_FAILED);
    return page;
}

static void place_site(char *page)
{
    fill(page, (const char *)SITE_CALL(read), SITE_SIZE(read));
    make_executable(page);
}

static void own_read(read_call *call)
{
    char byte = 0;
    scene_send(&own, 'o');
    CHECK_IS(call(own.read_end, &byte, 1), 1);
    CHECK_IS(byte, 'o');
}

/* For a moment the page is no code; then it is the same again. */
static void protect(char *page)
{
    own_read(code);
    make_writable(page);
    scene_nap();
    make_executable(page);
    own_read(code);
}

/* What stands there now does nothing but return. The reader comes back to it behind its call, where
 * it finds `mov $55, %eax; ret`; all before it is nops. */
static void unmap(char *page)
{
    static const char end[] = "\xb8\x37\0\0\0\xc3";
    char bytes[64];
    size_t behind = SITE_INSTRUCTION(read) + 2 - (unsigned long)SITE_CALL(read);
    memset(bytes, 0x90, behind);
    memcpy(bytes + behind, end, sizeof end - 1);
    CHECK(munmap(page, PAGE) == 0);
    scene_nap();
    CHECK(place(page) == page);
    fill(page, bytes, behind + sizeof end - 1);
    make_executable(page);
    CHECK_IS(code(own.read_end, NULL, 0), OTHER_RESULT);
    CHECK(memcmp(page, bytes, behind + sizeof end - 1) == 0);
}

/* Both the moved page and the one in its place work. */
static void remap(char *page)
{
    char *moved = mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place(NULL));
    CHECK(moved != MAP_FAILED);
    own_read((read_call *)(void *)moved);
    CHECK(place(page) == page);
    place_site(page);
    own_read(code);
    own_read((read_call *)(void *)moved);
    CHECK(munmap(moved, PAGE) == 0);
}

static const struct change {
    const char *name;
    void (*make)(char *page);
    long result; /* of the read that waits meanwhile */
} changes[] = {{"protect", protect, 1}, {"unmap", unmap, OTHER_RESULT}, {"remap", remap, 1}};

static void *reader(void *unused)
{
    char byte = 0;
    begun++;
    CHECK_IS(code(data.read_end, &byte, 1), expected);
    CHECK_IS(byte, 'd');
    return unused;
}

int main(int argc, char **argv)
{
    scene_begin(argc, argv);
    const struct change *change = changes;
    while (strcmp(change->name, scene_argument("protect")) != 0)
        CHECK(++change < changes + COUNT_OF(changes));
    data = scene_pipe();
    own = scene_pipe();
    expected = change->result;
    for (int round = 0; round < ROUNDS; round++) {
        char *page = place(NULL);
        code = (read_call *)(void *)page;
        place_site(page);
        pthread_t thread = scene_thread(reader, NULL);
        scene_await(&begun, round + 1);
        scene_nap();
        change->make(page);
        scene_send(&data, 'd');
        scene_join(thread);
        CHECK(munmap(page, PAGE) == 0);
    }
    return scene_end();
}
