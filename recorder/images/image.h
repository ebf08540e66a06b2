/* Rewritten ELF images: every cycle of the program counts a tick (design.md section 2).
 *
 * Pure: reads an ELF file, produces bytes and metadata, never touches a tracee. An image is
 * immutable after image_open()/image_rewrite() and may be shared by threads; the caller owns it and
 * ends it with image_free(). Addresses are ELF virtual addresses (st_value space) unless a name
 * says file offset; the caller adds the load bias. */
#ifndef RECORDER_IMAGES_IMAGE_H
#define RECORDER_IMAGES_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "recorder/base/error.h"

struct image;

enum image_point {
    IMAGE_POINT_TICK,
    IMAGE_POINT_ATOMIC, /* lock prefix, xchg with memory, entries of lock/once/join functions */
    IMAGE_POINT_CPUID,
    IMAGE_POINT_RDTSC,  /* rdtsc, rdtscp */
    IMAGE_POINT_RANDOM, /* rdrand, rdseed */
    IMAGE_POINT_CALL,   /* `syscall`: a patch region (design.md section 5) */
    IMAGE_POINT_COUNT
};

/* A piece of the cache file to be mapped MAP_PRIVATE|MAP_FIXED, PROT_READ|PROT_EXEC:
 * text overlays (same size and place as the file's own executable PT_LOAD pages, windows written)
 * and the stub area. All page aligned. */
struct image_segment {
    uint64_t address;      /* ELF virtual address, page aligned; may be "negative" for stub areas
                            * (wraps modulo 2^64: bias + address is what counts) */
    uint64_t length;       /* bytes, whole pages */
    uint64_t cache_offset; /* in image_fd(), page aligned */
    uint64_t file_offset;  /* offset in the original file (overlays); UINT64_MAX for stub areas */
    bool stubs;
};

/* What an image is made for; part of its name in the cache. */
enum image_option {
    IMAGE_OPTION_CALLS = 1, /* system calls get patch regions (patching: static) */
    /* The regions are planned and have their stubs, but the text keeps its bytes: they are written
     * at run time, one by one (patching: lazy) */
    IMAGE_OPTION_DORMANT_CALLS = 2,
};

/* Rewrite the ELF file open at fd, or take it from the cache directory (created if needed). Files
 * there are named by the content of the ELF file, the rewriter's version and
 * RECORDER_PAGE_VERSION, with a shortcut by inode, size and change time that makes a hit cost 20 us
 * (two files may share a build-id: stripped and not); safe under concurrent writers by rename.
 * directory NULL, or one that cannot be written: no cache, an anonymous memfd. *ret_image is NULL
 * with return 0 when the file is a valid ELF of this machine that has nothing to rewrite or cannot
 * be rewritten (the run goes on without ticks there). In both cases error->message says why.
 * Errors: -ENOEXEC not an x86-64 ELF; I/O errors of fd. */
int image_open(const char *directory, int fd, uint32_t options, struct image **ret_image,
               struct rr_error *error);

/* Load a cache file (as image_fd() gives) written earlier, for replay from a trace. Validates
 * everything; damage is -EBADMSG with a message. */
int image_load(int cache_fd, struct image **ret_image, struct rr_error *error);
void image_free(struct image *image);

/* The cache file: immutable, readable, owned by the image. */
int image_fd(const struct image *image);
/* Hex content hash of the cache file; lives as long as the image. */
const char *image_hash(const struct image *image);

size_t image_segment_count(const struct image *image);
const struct image_segment *image_segment(const struct image *image, size_t index);
/* Constant displacement of the stub area from the image's own span (design.md section 2). */
int64_t image_stub_displacement(const struct image *image);

/* Where an address of the rewritten image stands in the original program.
 *
 * A window is a run of instructions that became a jump to a stub; all its former boundaries trap.
 * There are also conditional branches and calls that stay where they are and only lead through a
 * stub on the way to their target: their addresses are OUTSIDE, and in their stubs `original` is
 * the target. */
enum image_place {
    IMAGE_OUTSIDE,   /* not in a window or stub: the address is the original one */
    IMAGE_START,     /* first byte of a window (the jmp): the original address itself */
    IMAGE_INTERIOR,  /* inside a window, not its start: a stray entry if executed */
    IMAGE_STUB_HEAD, /* in a stub, in the point before an instruction: original = that
                      * instruction's address (the window start for a stub's first point) */
    IMAGE_STUB_BODY, /* in a stub behind its point: original = that instruction's address */
};
struct image_where {
    enum image_place place;
    uint64_t original; /* original address of the instruction at or about to execute */
    uint64_t copy;     /* for INTERIOR: the relocated copy's address in the stub, 0 if the address
                        * is no instruction boundary; for START: where the jmp leads. If the
                        * instruction has a point, the copy begins with it */
    uint64_t start;    /* window start */
    uint64_t end;      /* one past the window's last byte */
    enum image_point point; /* STUB_HEAD: of this point; else what the window was made for */
    bool exact;   /* STUB_BODY: address is at an instruction boundary of the copy; also at the
                   * start of a patch region's way into the blob, which only uses what
                   * `syscall` destroys */
    bool counted; /* STUB_HEAD: the point cannot be taken back (its counter has changed, or
                   * the jump that led here is gone): let it finish */
    bool spilled; /* STUB_HEAD: the program's rcx is in PAGE_SPILL_RCX */
    bool trap;    /* START: no jump, an int3: whoever gets its signal goes on at `copy` */
    bool dormant; /* of a region whose jump the image does not have: START and INTERIOR hold only
                   * where it was written since */
};
/* O(log n). address: ELF virtual address (bias subtracted). */
struct image_where image_locate(const struct image *image, uint64_t address);

/* Was the planner unable to give the `syscall` at this ELF address a patch region? */
bool image_refuses_call(const struct image *image, uint64_t address);

/* Decode the (original) instruction bytes at `code`: its length, 0 if it does not decode. */
size_t image_instruction_length(const uint8_t *code, size_t available);

/* An emulated instruction (cpuid, rdtsc, rdtscp, rdrand, rdseed, xgetbv). */
enum image_special {
    SPECIAL_NONE,
    SPECIAL_CPUID,
    SPECIAL_RDTSC,
    SPECIAL_RDTSCP,
    SPECIAL_RDRAND,
    SPECIAL_RDSEED
};
struct image_special_instruction {
    enum image_special kind;
    uint8_t length;
    uint8_t target; /* rdrand/rdseed: register number 0..15 in encoding order (rax rcx rdx rbx rsp
                     * rbp rsi rdi r8..r15) */
    uint8_t size;   /* rdrand/rdseed: 2, 4 or 8 bytes */
};
struct image_special_instruction image_decode_special(const uint8_t *code, size_t available);
/* Does the instruction access memory that other threads may use: a memory operand whose base is not
 * rsp or rbp? */
bool image_accesses_memory(const uint8_t *code, size_t available);

/* Does the instruction at `code` write memory (for the error code of a modelled page fault)? */
bool image_instruction_writes(const uint8_t *code, size_t available);
/* Number of straight-line instruction boundaries from `code` on, up to the first branch, call,
 * return, system call or special instruction: offsets[0] = 0. Returns the count (<= max). */
size_t image_straight_line(const uint8_t *code, size_t available, uint8_t *offsets, size_t max);

struct image_statistics {
    uint64_t instructions, ranges, ranges_refused;
    /* Branches back on a cycle; windowed: every cycle through them passes a ticking window; other:
     * a system call or a function that ticks at its entry instead. */
    uint64_t loops, loops_windowed, loops_other;
    uint64_t loops_trapped; /* counted by an int3 */
    uint64_t windows[IMAGE_POINT_COUNT];
    uint64_t indirect_jumps, indirect_jumps_windowed;
    uint64_t entries, indirect_calls, indirect_calls_windowed;
    uint64_t calls, calls_windowed; /* `syscall` instructions; 0 without IMAGE_OPTION_CALLS */
    uint64_t live_form, cloned_loops, refused;
    uint64_t stub_bytes;
};
void image_statistics(const struct image *image, struct image_statistics *ret);
/* The text of `rrtest doctor --image FILE`: totals and every refused site with its reason. */
void image_describe(const struct image *image, FILE *out);

#endif
