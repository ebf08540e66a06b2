/* A program that runs its own text elsewhere, as V8 does with its builtins: a page of it mapped a
 * second time from the file, or copied into memory. What lies beside the copy stays as it is. */
#include <stdint.h>
#include <sys/mman.h>
#include <fcntl.h>

#include "check.h"

#define PAGE 4096
#define PAGES 64

/* A page of functions that need nothing outside, with the labels that say so. */
extern const unsigned char text_embedded_blob_code_[];
extern const uint32_t text_embedded_blob_code_size_;
__asm__(".text\n"
        "   .balign 4096\n"
        "text_embedded_blob_code_:\n"
        ".type blob_sum, @function\n"
        "blob_sum: xorl %eax, %eax\n"
        "1: addq %rdi, %rax\n"
        "   decq %rdi\n"
        "   jne 1b\n"
        "   ret\n"
        ".size blob_sum, . - blob_sum\n"
        "   .balign 4096\n"
        ".section .rodata\n"
        "   .balign 4\n"
        "text_embedded_blob_code_size_: .long 4096\n"
        ".text\n");

/* The same without a label: only a second mapping of the file may be run. */
extern const unsigned char plain_sum[];
__asm__(".text\n"
        "   .balign 4096\n"
        ".type plain_sum, @function\n"
        "plain_sum: xorl %eax, %eax\n"
        "1: addq %rdi, %rax\n"
        "   decq %rdi\n"
        "   jne 1b\n"
        "   ret\n"
        ".size plain_sum, . - plain_sum\n"
        "   .balign 4096\n");

static uint64_t sum(const void *code, uint64_t count)
{
    uint64_t result;

    __asm__ volatile("call *%2" : "=&a"(result), "+D"(count) : "r"(code) : "memory", "cc");
    return result;
}

static unsigned char *surroundings(void)
{
    unsigned char *area =
        mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(area != MAP_FAILED);
    memset(area, 0x5a, PAGES * PAGE);
    return area;
}

static void check_surroundings(const unsigned char *area)
{
    for (size_t i = 0; i < PAGES * PAGE; i++)
        CHECK(i / PAGE == PAGES / 2 || area[i] == 0x5a);
}

/* Which file, and where in it, /proc/self/maps says the text is from. */
static int open_file_of(const void *text, off_t *ret_offset)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], path[256];
    unsigned long start, end, offset;
    int fd = -1;

    CHECK(maps);
    while (fd < 0 && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %255s", &start, &end, &offset, path) != 4 ||
            (uintptr_t)text < start || (uintptr_t)text >= end)
            continue;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        *ret_offset = (off_t)((uintptr_t)text - start + offset);
    }
    fclose(maps);
    CHECK(fd >= 0);
    return fd;
}

static void mapped_again(void)
{
    unsigned char *area = surroundings(), *copy = area + PAGES / 2 * PAGE;
    off_t offset = 0;
    int fd = open_file_of(plain_sum, &offset);

    CHECK(mmap(copy, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, offset) == copy);
    close(fd);
    printf("%llu %llu\n", (unsigned long long)sum(plain_sum, 1000),
           (unsigned long long)sum(copy, 1000));
    check_surroundings(area);
    CHECK(munmap(copy, PAGE) == 0);
    CHECK(sum(plain_sum, 10) == 55);
}

static void copied(void)
{
    unsigned char *area = surroundings(), *copy = area + PAGES / 2 * PAGE;

    CHECK(mprotect(copy, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    memcpy(copy, text_embedded_blob_code_, text_embedded_blob_code_size_);
    printf("%llu %llu\n", (unsigned long long)sum(text_embedded_blob_code_, 1000),
           (unsigned long long)sum(copy, 1000));
    check_surroundings(area);
}

static const struct test_case cases[] = {{"mapped_again", mapped_again}, {"copied", copied}};

int main(int argc, char **argv)
{
    return run_cases(argc, argv, cases, COUNT_OF(cases));
}
