/* Golden bytes: small functions in, windows and stubs out; and what must be left alone. Every
 * expected byte was read off a disassembly, not copied on trust. Code lies at 0x1000 in a
 * position-independent file, so stubs count from 0xf4071000. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recorder/images/cache.h"
#include "recorder/images/image.h"
#include "recorder/images/place.h"
#include "recorder/images/tests/tiny_elf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The slow path of a tick: mov [spill], rcx; lea rcx, [rip + BACK]; jmp *[entry]. */
#define COLD(back, entry)                                                                     \
    0x48, 0x89, 0x0c, 0x25, 0x10, 0x00, 0x00, 0x70, 0x48, 0x8d, 0x0d, back, 0xff, 0xff, 0xff, \
        0xff, 0x24, 0x25, entry, 0x00, 0x00, 0x70
/* sub qword [counter], 1; js +distance */
#define TICK(counter, distance) \
    0x48, 0x83, 0x2c, 0x25, counter, 0x00, 0x00, 0x70, 0x01, 0x0f, 0x88, distance, 0x00, 0x00, 0x00

static struct image *rewrite(const uint8_t *code, size_t size)
{
    const struct tiny_symbol symbol = {"function", 0, size};
    struct rr_error error = {0};
    struct image *image;
    int fd = tiny_elf(ET_DYN, code, size, &symbol, 1);

    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, &error), 0);
    close(fd);
    return image;
}

static const uint8_t *bytes_at(const struct image *image, uint64_t address)
{
    for (size_t i = 0; i < image_segment_count(image); i++) {
        const struct image_segment *s = image_segment(image, i);

        if (address - s->address < s->length)
            return image->data + s->cache_offset + (address - s->address);
    }
    fail_msg("no segment at %#llx", (unsigned long long)address);
    return NULL;
}

struct golden {
    const uint8_t *code;
    size_t code_size;
    const uint8_t *text; /* the same, rewritten */
    uint64_t stub;       /* its address less the displacement */
    const uint8_t *stub_code;
    size_t stub_size;
};

static void check(const struct golden *g)
{
    struct image *image = rewrite(g->code, g->code_size);
    uint64_t stub = g->stub + (uint64_t)DISPLACEMENT_MOVABLE;

    assert_non_null(image);
    assert_int_equal(image->header->tables[TABLE_WINDOWS].count, 1);
    assert_memory_equal(bytes_at(image, TINY_CODE), g->text, g->code_size);
    assert_memory_equal(bytes_at(image, stub), g->stub_code, g->stub_size);
    assert_int_equal(*bytes_at(image, stub + g->stub_size), 0xcc);
    image_free(image);
}

#define GOLDEN(before, after, where, expected) \
    check(&(const struct golden){before, sizeof(before), after, where, expected, sizeof(expected)})

/* A call-free loop goes into the stub whole; its branch back ticks, its entry does not. */
static void test_loop_copy(void **state)
{
    static const uint8_t before[] = {
        0x31, 0xc0,             /*     xor eax, eax     */
        0x48, 0x03, 0x07,       /* 1:  add rax, [rdi]   */
        0x48, 0x83, 0xc7, 0x08, /*     add rdi, 8       */
        0x48, 0x39, 0xf7,       /*     cmp rdi, rsi     */
        0x75, 0xf4,             /*     jne 1b           */
        0xc3,                   /*     ret              */
    };
    static const uint8_t after[] = {
        0x31, 0xc0, 0xe9, 0x08, 0x00, 0x07, 0xf4, 0xcc, 0xcc, 0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3,
    };
    static const uint8_t stub[] = {
        TICK(0x00, 0x15), /* 0xf4071000: the branch back comes here */
        0x48,
        0x03,
        0x07, /* 0xf407100f: the window jumps here */
        0x48,
        0x83,
        0xc7,
        0x08, /* add rdi, 8 */
        0x48,
        0x39,
        0xf7, /* cmp rdi, rsi */
        0x0f,
        0x85,
        0xe1,
        0xff,
        0xff,
        0xff, /* jne 0xf4071000 */
        0xe9,
        0xea,
        0xff,
        0xf8,
        0x0b, /* jmp 0x100e */
        COLD(0xdc, 0x18),
    };

    (void)state;
    GOLDEN(before, after, 0x1000, stub);
}

/* A loop with a call: the call ticks on its way, nothing else changes. */
static void test_call(void **state)
{
    static const uint8_t before[] = {
        0x85, 0xff,                   /* f: test edi, edi */
        0x74, 0x07,                   /*    je 1f         */
        0xff, 0xcf,                   /*    dec edi       */
        0xe8, 0xf5, 0xff, 0xff, 0xff, /*    call f        */
        0xc3,                         /* 1: ret           */
    };
    static const uint8_t after[] = {
        0x85, 0xff, 0x74, 0x07, 0xff, 0xcf, 0xe8, 0xf5, 0xff, 0x06, 0xf4, 0xc3,
    };
    static const uint8_t stub[] = {
        TICK(0x00, 0x05), 0xe9, 0xec, 0xff, 0xf8, 0x0b, /* jmp 0x1000 */
        COLD(0xec, 0x18),
    };

    (void)state;
    GOLDEN(before, after, 0x1000, stub);
}

/* The window that ends with an indirect jump needs no way back. The boundary at byte 2 puts the
 * stub where the second byte of the displacement traps (06). */
static void test_indirect_jump(void **state)
{
    static const uint8_t before[] = {
        0x39, 0xf7,       /* cmp edi, esi   */
        0x48, 0x8b, 0x02, /* mov rax, [rdx] */
        0xff, 0xe0,       /* jmp rax        */
    };
    static const uint8_t after[] = {0xe9, 0x00, 0x06, 0x07, 0xf4, 0xcc, 0xcc};
    static const uint8_t stub[] = {
        TICK(0x00, 0x07), 0x39, 0xf7, 0x48, 0x8b, 0x02, 0xff, 0xe0, COLD(0xea, 0x18),
    };

    (void)state;
    GOLDEN(before, after, 0x1605, stub);
}

/* Flags that the jump's target may read: the counter leaves them alone. */
static void test_live_flags(void **state)
{
    static const uint8_t before[] = {
        0x48, 0x8b, 0x04, 0xfa, /* mov rax, [rdx + 8 * rdi] */
        0xff, 0xe0,             /* jmp rax                  */
    };
    static const uint8_t after[] = {0xe9, 0xfb, 0xff, 0x06, 0xf4, 0xcc};
    static const uint8_t stub[] = {
        0x48, 0x89, 0x0c, 0x25, 0x10, 0x00, 0x00, 0x70,       /* mov [spill], rcx */
        0x48, 0x8b, 0x0c, 0x25, 0x00, 0x00, 0x00, 0x70,       /* mov rcx, [counter] */
        0x48, 0x8d, 0x49, 0xff,                               /* lea rcx, [rcx - 1] */
        0x48, 0x89, 0x0c, 0x25, 0x00, 0x00, 0x00, 0x70,       /* mov [counter], rcx */
        0x48, 0x0f, 0xbe, 0x0c, 0x25, 0x07, 0x00, 0x00, 0x70, /* movsx rcx, byte [counter + 7] */
        0x48, 0x8d, 0x49, 0x01,                               /* lea rcx, [rcx + 1] */
        0xe3, 0x0e,                                           /* jrcxz slow */
        0x48, 0x8b, 0x0c, 0x25, 0x10, 0x00, 0x00, 0x70,       /* mov rcx, [spill] */
        0x48, 0x8b, 0x04, 0xfa,                               /* mov rax, [rdx + 8 * rdi] */
        0xff, 0xe0,                                           /* jmp rax */
        0x48, 0x8d, 0x0d, 0xf3, 0xff, 0xff, 0xff,             /* slow: lea rcx, [behind reload] */
        0xff, 0x24, 0x25, 0x18, 0x00, 0x00, 0x70,             /* jmp *[entry] */
    };

    (void)state;
    GOLDEN(before, after, 0x1000, stub);
}

/* cpuid never executes: the slow path finds its bytes behind the jump, and goes on behind them. */
static void test_cpuid(void **state)
{
    static const uint8_t before[] = {
        0x31, 0xc0, /* xor eax, eax */
        0x0f, 0xa2, /* cpuid        */
        0x89, 0xd8, /* mov eax, ebx */
        0xc3,       /* ret          */
    };
    static const uint8_t after[] = {0x31, 0xc0, 0xe9, 0x00, 0x06, 0x07, 0xf4};
    static const uint8_t stub[] = {
        0x48, 0x89, 0x0c, 0x25, 0x10, 0x00, 0x00, 0x70, /* mov [spill], rcx */
        0x48, 0x8d, 0x0d, 0x07, 0x00, 0x00, 0x00,       /* lea rcx, [the cpuid] */
        0xff, 0x24, 0x25, 0x28, 0x00, 0x00, 0x70,       /* jmp *[entry] */
        0x0f, 0xa2, 0x89, 0xd8, 0xc3,
    };

    (void)state;
    GOLDEN(before, after, 0x1607, stub);
}

/* An atomic instruction counts in its own class. */
static void test_atomic(void **state)
{
    static const uint8_t before[] = {
        0xb8, 0x01, 0x00, 0x00, 0x00, /* mov eax, 1          */
        0xf0, 0x0f, 0xc1, 0x07,       /* lock xadd [rdi], eax */
        0xc3,                         /* ret                 */
    };
    static const uint8_t after[] = {
        0xb8, 0x01, 0x00, 0x00, 0x00, 0xe9, 0xf6, 0xff, 0x06, 0xf4,
    };
    static const uint8_t stub[] = {
        TICK(0x08, 0x05), 0xf0, 0x0f, 0xc1, 0x07, 0xc3, COLD(0xec, 0x20),
    };

    (void)state;
    GOLDEN(before, after, 0x1000, stub);
}

static void expect_nothing(const uint8_t *code, size_t size)
{
    struct image *image = rewrite(code, size);

    assert_null(image);
}

/* A range with a byte that does not decode stays as it is, loop and all. */
static void test_undecodable(void **state)
{
    static const uint8_t good[] = {
        0x48, 0x03, 0x07, 0x48, 0x83, 0xc7, 0x08, 0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3, 0x90,
    };
    static const uint8_t bad[] = {
        0x48, 0x03, 0x07, 0x48, 0x83, 0xc7, 0x08, 0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3, 0x06,
    };
    struct image *image = rewrite(good, sizeof(good));

    (void)state;
    assert_non_null(image);
    image_free(image);
    expect_nothing(bad, sizeof(bad));
}

/* Code that nothing says is code is not looked at; nor is code nobody can reach. */
static void test_unknown_code(void **state)
{
    static const uint8_t code[] = {
        0xc3,                   /*    ret            */
        0x48, 0x03, 0x07,       /* 1: add rax, [rdi] */
        0x48, 0x83, 0xc7, 0x08, /*    add rdi, 8     */
        0x48, 0x39, 0xf7,       /*    cmp rdi, rsi   */
        0x75, 0xf4,             /*    jne 1b         */
        0xc3,                   /*    ret            */
    };
    const struct tiny_symbol symbol = {"first", 0, 1};
    struct image *image;
    int fd = tiny_elf(ET_DYN, code, sizeof(code), &symbol, 1);

    (void)state;
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
    assert_null(image);
    close(fd);
    expect_nothing(code, sizeof(code));
}

/* Constants and tables inside a function that happen to decode are not overwritten. */
static void test_data_in_code(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x05, 0x01, 0x00, 0x00, 0x00, /*    mov rax, [rip + 1]: the loop's bytes */
        0xc3,                                     /*    ret */
        0x48, 0x03, 0x07, 0x48, 0x83, 0xc7, 0x08, /* 1: a loop */
        0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3,
    };
    static const struct tiny_symbol symbols[] = {
        {"function", 0, sizeof(code)},
        {"constant", 8, 0},
    };
    struct image *image;
    int fd = tiny_elf(ET_DYN, code, sizeof(code), symbols, COUNT(symbols));

    (void)state;
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
    assert_null(image);
    close(fd);
}

/* Every address something points at stays a boundary outside windows: the window before the
 * indirect jump moves up when a symbol, or a branch, names an instruction in its way. */
static void test_targets(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x8d, 0x47, 0x08, /* lea rax, [rdi + 8]   */
        0x48, 0x8d, 0x4f, 0x10, /* lea rcx, [rdi + 16]  */
        0x48, 0x8d, 0x14, 0x08, /* lea rdx, [rax + rcx] */
        0x48, 0x01, 0xd0,       /* add rax, rdx         */
        0xff, 0xe0,             /* jmp rax              */
    };
    struct tiny_symbol symbols[] = {
        {"function", 0, sizeof(code)},
        {"label", 0, 0},
    };
    static const size_t boundaries[] = {4, 8, 12};

    (void)state;
    for (size_t i = 0; i < COUNT(boundaries); i++) {
        const struct cache_window *w;
        struct image *image;
        int fd;

        symbols[1].offset = boundaries[i];
        fd = tiny_elf(ET_DYN, code, sizeof(code), symbols, COUNT(symbols));
        assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
        assert_non_null(image);
        w = image->tables[TABLE_WINDOWS];
        assert_int_equal(image->header->tables[TABLE_WINDOWS].count, 1);
        assert_true(boundaries[i] <= w->start - TINY_CODE + image->header->base ||
                    boundaries[i] >= w->start - TINY_CODE + image->header->base + w->length);
        image_free(image);
        close(fd);
    }
}

/* Position-dependent programs have their stubs between 0x60000000 and the recorder's page. */
static void test_fixed_place(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x03, 0x07, 0x48, 0x83, 0xc7, 0x08, 0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3,
    };
    const struct tiny_symbol symbol = {"function", 0, sizeof(code)};
    struct image *image;
    int fd = tiny_elf(ET_EXEC, code, sizeof(code), &symbol, 1);

    (void)state;
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
    assert_non_null(image);
    assert_int_equal(image_stub_displacement(image), 0x60070000);
    assert_int_equal(image_locate(image, 0x1000).copy, 0x6007100f);
    image_free(image);
    close(fd);
}

/* The state of a thread at every byte of a stub. */
static void test_states(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x8b, 0x04, 0xfa, /* mov rax, [rdx + 8 * rdi] */
        0xff, 0xe0,             /* jmp rax                  */
    };
    struct image *image = rewrite(code, sizeof(code));
    uint64_t stub = 0x1000 + (uint64_t)DISPLACEMENT_MOVABLE;
    struct image_where w;

    (void)state;
    assert_non_null(image);
    w = image_locate(image, stub);
    assert_int_equal(w.place, IMAGE_STUB_HEAD);
    assert_false(w.spilled || w.counted || w.exact);
    w = image_locate(image, stub + 8);
    assert_true(w.spilled && !w.counted);
    w = image_locate(image, stub + 28);
    assert_true(w.spilled && w.counted);
    assert_int_equal(w.original, 0x1000);
    w = image_locate(image, stub + 51);
    assert_int_equal(w.place, IMAGE_STUB_BODY);
    assert_true(w.exact);
    assert_int_equal(w.original, 0x1000);
    w = image_locate(image, stub + 55);
    assert_int_equal(w.original, 0x1004);
    assert_true(w.exact);
    w = image_locate(image, stub + 57); /* the slow path */
    assert_true(w.place == IMAGE_STUB_HEAD && w.counted && w.spilled);
    w = image_locate(image, 0x1004);
    assert_int_equal(w.place, IMAGE_INTERIOR);
    assert_int_equal(w.copy, stub + 55);
    assert_int_equal(image_locate(image, 0x1002).copy, 0);
    assert_int_equal(image_locate(image, 0x1006).place, IMAGE_OUTSIDE);
    assert_int_equal(image_locate(image, 0).place, IMAGE_OUTSIDE);
    assert_int_equal(image_locate(image, UINT64_MAX).place, IMAGE_OUTSIDE);
    image_free(image);
}

static void test_trapping_bytes(void **state)
{
    int count = 0;

    (void)state;
    for (int b = 0; b < 256; b++) {
        uint8_t code[16];

        memset(code, 0x90, sizeof(code));
        code[0] = (uint8_t)b;
        if (!place_traps((uint8_t)b))
            continue;
        count++;
        /* What always traps either does not decode in 64-bit mode, or is int3, int1 or hlt. */
        if (b != 0xcc && b != 0xf1 && b != 0xf4)
            assert_int_equal(image_instruction_length(code, sizeof(code)), 0);
    }
    assert_int_equal(count, 21);
    assert_false(place_traps(0xd5)); /* a prefix under APX */
    assert_false(place_traps(0x90));
}

/* No room for a jump: int3s, from which the recorder leads to the stub. */
static void test_trap(void **state)
{
    static const uint8_t before[] = {0x0f, 0x31, 0xc3}; /* rdtsc; ret */
    static const uint8_t after[] = {0xcc, 0xcc, 0xc3};
    struct image *image = rewrite(before, sizeof(before));
    struct image_where w;

    (void)state;
    assert_non_null(image);
    assert_memory_equal(bytes_at(image, TINY_CODE), after, sizeof(after));
    w = image_locate(image, TINY_CODE);
    assert_true(w.place == IMAGE_START && w.trap);
    assert_int_equal(w.point, IMAGE_POINT_RDTSC);
    assert_int_equal(w.copy, TINY_CODE + (uint64_t)DISPLACEMENT_MOVABLE);
    assert_int_equal(image_locate(image, w.copy).place, IMAGE_STUB_HEAD);
    image_free(image);
}

/* Loops that each need two bytes of their jump to trap, more than there are such addresses in so
 * small an image: those left over become int3s, and none goes uncounted. */
#define LOOPS 48

static void test_no_place(void **state)
{
    static const uint8_t loop[] = {0x50, 0x58, 0xff, 0xc9, 0x75, 0xfa}; /* push pop dec jne */
    uint8_t code[LOOPS * sizeof(loop) + 1];
    const struct cache_window *w;
    struct image *image;
    size_t traps = 0, count;

    (void)state;
    for (size_t i = 0; i < LOOPS; i++)
        memcpy(code + i * sizeof(loop), loop, sizeof(loop));
    code[sizeof(code) - 1] = 0xc3;
    image = rewrite(code, sizeof(code));
    assert_non_null(image);
    count = image->header->tables[TABLE_WINDOWS].count;
    assert_int_equal(count, LOOPS);
    w = image->tables[TABLE_WINDOWS];
    for (size_t i = 0; i < count; i++) {
        traps += w[i].trap;
        assert_int_equal(*bytes_at(image, TINY_CODE + w[i].start), w[i].trap ? 0xcc : 0xe9);
    }
    assert_true(traps > 0 && traps < count);
    assert_int_equal(image->header->tables[TABLE_REFUSALS].count, 0);
    image_free(image);
}

/* A jump back into the middle of a loop, too short for a window of its own: the loop is not copied
 * whole, so that its middle can have one. */
static void test_middle_entry(void **state)
{
    static const uint8_t code[] = {
        0xeb, 0x07,             /*     jmp 2f         */
        0x48, 0x03, 0x07,       /* 1:  add rax, [rdi] */
        0x48, 0x83, 0xc7, 0x08, /*     add rdi, 8     */
        0x48, 0x39, 0xf7,       /* 2:  cmp rdi, rsi   */
        0x74, 0x06,             /*     je 3f          */
        0x84, 0xc0,             /*     test al, al    */
        0x75, 0xf0,             /*     jne 1b         */
        0xeb, 0xf5,             /*     jmp 2b         */
        0xc3,                   /* 3:  ret            */
    };
    struct image *image = rewrite(code, sizeof(code));
    struct image_statistics s;

    (void)state;
    assert_non_null(image);
    image_statistics(image, &s);
    assert_int_equal(s.loops, 2);
    assert_int_equal(s.loops_windowed, 2);
    assert_int_equal(s.cloned_loops, 0);
    image_free(image);
}

/* A jump to base + index * 16: the loops behind it are known to be code, and tick. */
static void test_strides(void **state)
{
    static const uint8_t entry[16] = {
        0x48, 0x8d, 0x0d, 0x09, 0x00, 0x00, 0x00, /* lea rcx, [rip + 9] */
        0x48, 0x01, 0xf9,                         /* add rcx, rdi */
        0xff, 0xe1,                               /* jmp rcx */
        0x0f, 0x1f, 0x40, 0x00,                   /* nop */
    };
    static const uint8_t piece[16] = {
        0x48, 0x03, 0x06,             /* 1: add rax, [rsi] */
        0x48, 0xff, 0xc6,             /*    inc rsi */
        0xff, 0xca,                   /*    dec edx */
        0x75, 0xf6,                   /*    jne 1b */
        0xc3,                         /*    ret */
        0x0f, 0x1f, 0x44, 0x00, 0x00, /*    nop */
    };
    uint8_t code[5 * 16];
    struct image *image;

    (void)state;
    memcpy(code, entry, sizeof(entry));
    for (int i = 1; i < 5; i++)
        memcpy(code + 16 * i, piece, sizeof(piece));
    image = rewrite(code, sizeof(code));
    assert_non_null(image);
    for (uint64_t i = 1; i < 5; i++)
        assert_int_equal(image_locate(image, TINY_CODE + 16 * i).place, IMAGE_START);
    image_free(image);
    /* Without a stop before it, or a fourth one, nothing is known. */
    code[3 * 16 - 6] = 0x90;
    image = rewrite(code, sizeof(code));
    assert_non_null(image);
    assert_int_equal(image_locate(image, TINY_CODE + 16).place, IMAGE_START);
    assert_int_equal(image_locate(image, TINY_CODE + 64).place, IMAGE_OUTSIDE);
    image_free(image);
}

/* V8 reads its builtins out of the text and runs copies of them elsewhere. */
static void test_copied(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x03, 0x07, 0x48, 0x83, 0xc7, 0x08,
        0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3, /* a loop */
        0x48, 0x03, 0x07, 0x48, 0x83, 0xc7, 0x08,
        0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3, /* a copied one */
        13,   0,    0,    0,
    };
    static const struct tiny_symbol symbols[] = {{"Builtins_Abort", 13, 13},
                                                 {"function", 0, 13},
                                                 {"v8_Default_embedded_blob_code_", 13, 0},
                                                 {"v8_Default_embedded_blob_code_size_", 26, 0}};
    char *text = NULL;
    struct image *image;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    for (size_t count = 3; count <= 4; count++) {
        int fd = tiny_elf(ET_DYN, code, sizeof(code), symbols, count);
        bool copied = count == 4; /* a blob has a size */

        assert_int_equal(image_open(NULL, fd, 0, &image, NULL), 0);
        assert_non_null(image);
        assert_int_equal(image_locate(image, TINY_CODE).place, IMAGE_START);
        assert_int_equal(image_locate(image, TINY_CODE + 13).place,
                         copied ? IMAGE_OUTSIDE : IMAGE_START);
        assert_int_equal(memcmp(bytes_at(image, TINY_CODE + 13), code + 13, 13) == 0, copied);
        if (copied)
            image_describe(image, out);
        image_free(image);
        close(fd);
    }
    fclose(out);
    assert_non_null(strstr(text, "code: 5 instructions in 1 ranges, 1 left alone\n"));
    assert_non_null(strstr(text, "refused: 0x100d range: the program copies it\n"));
    free(text);
}

static void test_describe(void **state)
{
    static const uint8_t code[] = {
        0x48, 0x03, 0x07, 0x48, 0x83, 0xc7, 0x08, 0x48, 0x39, 0xf7, 0x75, 0xf4, 0xc3, /* a loop */
        0x0f, 0x05, 0xc3, /* syscall; ret: too short */
        0x90, 0x06, 0xc3, /* does not decode */
    };
    static const struct tiny_symbol symbols[] = {{"a", 0, 13}, {"b", 13, 3}, {"c", 16, 3}};
    char *text = NULL;
    struct image *image;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int fd = tiny_elf(ET_DYN, code, sizeof(code), symbols, COUNT(symbols));

    (void)state;
    assert_int_equal(image_open(NULL, fd, IMAGE_OPTION_CALLS, &image, NULL), 0);
    assert_non_null(image);
    image_describe(image, out);
    fclose(out);
    assert_non_null(strstr(text, "code: 7 instructions in 3 ranges, 1 left alone\n"));
    assert_non_null(strstr(text, "loops: 1, with a window 1\n"));
    assert_non_null(strstr(text, "loops accounted for otherwise: 0 (by a call 0, by an int3 0); "
                                 "not counted: 0\n"));
    assert_non_null(strstr(text, "refused: 0x100d system call: no run of 5 bytes"));
    assert_non_null(strstr(text, "refused: 0x1010 range: a byte in it does not decode\n"));
    free(text);
    image_free(image);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_copy),      cmocka_unit_test(test_call),
        cmocka_unit_test(test_indirect_jump),  cmocka_unit_test(test_live_flags),
        cmocka_unit_test(test_cpuid),          cmocka_unit_test(test_atomic),
        cmocka_unit_test(test_undecodable),    cmocka_unit_test(test_unknown_code),
        cmocka_unit_test(test_data_in_code),   cmocka_unit_test(test_targets),
        cmocka_unit_test(test_fixed_place),    cmocka_unit_test(test_states),
        cmocka_unit_test(test_trapping_bytes), cmocka_unit_test(test_trap),
        cmocka_unit_test(test_no_place),       cmocka_unit_test(test_strides),
        cmocka_unit_test(test_middle_entry),   cmocka_unit_test(test_describe),
        cmocka_unit_test(test_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
