/* Places in the code that make a system call, in the shapes that matter to who overwrites them:
 *
 *   SITE(name, number, (parameters))     defines name_sites[SHAPE_COUNT]
 *
 *   tail      mov eax, number; syscall; ret        as in musl, Go, and most of glibc
 *   before    only the mov before the syscall can go: what follows is a jump's target. A thread
 * that waits in the call stands at the end of the region, and the kernel's restart jumps back into
 * it behind    the syscall is a jump's target: only what follows it can go around    one byte
 * before and two behind, for the same reasons
 *
 * No symbol stands inside a site: where its instructions are is said by constants. The calls return
 * what the kernel returns, -errno included. A first argument of -1 makes no call. */
#ifndef SITE_H
#define SITE_H

#include <stddef.h>

enum shape { TAIL, BEFORE, BEHIND, AROUND, SHAPE_COUNT };

/* Where something is in a site, from its first byte on. */
struct site_facts {
    int instruction; /* the syscall */
    int size;
};

/* Define SITES_AS_DATA for sites that are to be copied to where they run: read-only data, no code.
 */
#ifdef SITES_AS_DATA
#define SITE_SECTION ".rodata"
#define SITE_TYPE "@object"
#define SITE_FRAME_BEGIN ""
#define SITE_FRAME_END ""
#else
#define SITE_SECTION ".text"
#define SITE_TYPE "@function"
#define SITE_FRAME_BEGIN ".cfi_startproc\n"
#define SITE_FRAME_END ".cfi_endproc\n"
#endif

/* `before` and `behind` the syscall; the site begins with what all have in common, and ends with
 * ret. */
#define SITE_CODE(symbol, before, behind)                                                        \
    __asm__(".pushsection " SITE_SECTION "\n.balign 32, 0xcc\n"                                  \
            ".globl " symbol "\n.type " symbol ", " SITE_TYPE "\n" symbol ":\n" SITE_FRAME_BEGIN \
            "endbr64\nmov %rcx, %r10\n" before "7: syscall\n" behind "ret\n6: " SITE_FRAME_END   \
            ".size " symbol ", . - " symbol "\n"                                                 \
            ".balign 32, 0xcc\n.popsection\n"                                                    \
            ".pushsection .rodata\n.balign 4\n"                                                  \
            ".globl " symbol "_facts\n.type " symbol "_facts, @object\n"                         \
            ".size " symbol "_facts, 8\n" symbol "_facts: .long 7b - " symbol ", 6b - " symbol   \
            "\n.popsection\n")

#define SITE_TEXT_(x) #x
#define SITE_TEXT(x) SITE_TEXT_(x)
#define SITE_NUMBER(number) "mov $" SITE_TEXT(number) ", %eax\n"
#define SITE_LEAVE "cmp $-1, %rdi\nje 9f\n"

#define SITE(name, number, parameters)                                                          \
    SITE_CODE(#name "_tail", SITE_NUMBER(number), "");                                          \
    SITE_CODE(#name "_before", SITE_LEAVE SITE_NUMBER(number), "9: ");                          \
    SITE_CODE(#name "_behind", SITE_NUMBER(number) "jmp 8f\nint3\n8: ", "mov %rax, %rdx\n");    \
    SITE_CODE(#name "_around", SITE_NUMBER(number) SITE_LEAVE "jmp 8f\nint3\n8: nop\n",         \
              "mov %eax, %edx\n9: ");                                                           \
    long name##_tail parameters;                                                                \
    long name##_before parameters;                                                              \
    long name##_behind parameters;                                                              \
    long name##_around parameters;                                                              \
    extern const struct site_facts name##_tail_facts, name##_before_facts, name##_behind_facts, \
        name##_around_facts;                                                                    \
    static const struct {                                                                       \
        long(*call) parameters;                                                                 \
        const struct site_facts *facts;                                                         \
    } name##_sites[SHAPE_COUNT] __attribute__((unused)) = {                                     \
        [TAIL] = {name##_tail, &name##_tail_facts},                                             \
        [BEFORE] = {name##_before, &name##_before_facts},                                       \
        [BEHIND] = {name##_behind, &name##_behind_facts},                                       \
        [AROUND] = {name##_around, &name##_around_facts},                                       \
    }

/* Of a site of the scene's shape. */
#define SITE_CALL(name) (name##_sites[scene_shape()].call)
#define SITE_INSTRUCTION(name)                         \
    ((unsigned long)name##_sites[scene_shape()].call + \
     name##_sites[scene_shape()].facts->instruction)
#define SITE_SIZE(name) ((size_t)name##_sites[scene_shape()].facts->size)

/* Numbers the preprocessor can paste. */
#define NR_read 0
#define NR_write 1
#define NR_select 23
#define NR_nanosleep 35
#define NR_getpid 39
#define NR_vfork 58
#define NR_exit 60
#define NR_futex 202

#endif
