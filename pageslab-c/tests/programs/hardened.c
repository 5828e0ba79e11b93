/* What hardened_malloc tests itself against, each case by its name there: its argument says which, and without one the
 * program prints their names. Compiled without optimization, since compilers see through most of them.
 *
 * A line "at <pointer>" tells where what is handed back lies, and a line "read <byte>" what is found in memory that is
 * nobody's, or nobody's yet. A case that does not come out as it should ends the program with 1. */
#include "pageslab.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#ifndef __wasm__
#include <pthread.h>
#include <sys/mman.h>
#endif

enum { KIB = 1024, MIB = 1024 * KIB, PAGE = 64 * KIB };

/* A small block, and one that has more than a page. */
enum { SMALL = 16, LARGE = 256 * KIB };

static void expect_at(int line, int is_so) {
    if (!is_so) {
        fprintf(stderr, "line %d: it is not so\n", line);
        exit(1);
    }
}

#define expect(what) expect_at(__LINE__, (what) != 0)

/* errno is set under WASI only. */
static void expect_errno(int code) {
#ifdef __wasi__
    expect(errno == code);
#else
    (void)code;
#endif
}

/* The same pointer, told. */
char *told(void *ptr) {
    expect(ptr != NULL);
    printf("at %#lx\n", (unsigned long)(uintptr_t)ptr);
    fflush(stdout);
    return ptr;
}

static char *block(size_t len) {
    return told(malloc(len));
}

static char *filled_block(size_t len) {
    return memset(block(len), 'a', len);
}

static void read_each(const char *bytes, size_t len) {
    for (size_t at = 1; at < len; at++)
        expect(bytes[at] == bytes[0]);
    printf("read %02x\n", (unsigned char)bytes[0]);
}

static int is_aligned(const void *ptr, size_t alignment) {
    return (uintptr_t)ptr % alignment == 0;
}

/* Has all memory for blocks of this length used again: what was freed has left the quarantine by then, if there is one,
 * as more blocks were freed since than it holds. */
static void use_again(size_t len) {
    enum { COUNT = 100 };
    static char *others[COUNT];
    for (int at = 0; at < COUNT; at++)
        expect((others[at] = malloc(len)) != NULL);
    for (int at = 0; at < COUNT; at++)
        free(others[at]);
    for (size_t used = 0; used < 4 * MIB || used < 2 * COUNT * len; used += len)
        expect(malloc(len) != NULL);
}

/* The same by blocks that come and go, one after the other. */
static void use_in_pairs(size_t len) {
    for (int at = 0; at < 100000; at++) {
        char *other = malloc(len);
        expect(other != NULL);
        free(other);
    }
}

/* Frees of what is not to be freed. */

static void double_free_small(void) {
    char *p = block(SMALL);
    free(p);
    free(p);
}

static void double_free_small_delayed(void) {
    char *q = block(SMALL), *p = block(SMALL);
    free(p);
    free(q);
    free(p);
}

static void double_free_large(void) {
    char *p = block(LARGE);
    free(p);
    free(p);
}

static void double_free_large_delayed(void) {
    char *q = block(LARGE), *p = block(LARGE);
    free(p);
    free(q);
    free(p);
}

static void quarantine_double_free_extended(void) {
    char *p = block(32 * KIB);
    free(p);
    free(p);
}

static void quarantine_double_free_extended_delayed(void) {
    enum { COUNT = 100 };
    char *p = block(PAGE), *others[COUNT];
    for (int at = 0; at < COUNT; at++)
        others[at] = malloc(PAGE);
    free(told(p));
    for (int at = 0; at < COUNT; at++)
        free(others[at]);
    free(p);
}

static void realloc_c23_undefined_behaviour(void) {
    char *empty = realloc(block(SMALL), 0);
    expect(empty != NULL && malloc_usable_size(empty) == 0);
    free(empty);
}

static void realloc_c23_undefined_behaviour_double_free(void) {
    char *p = block(SMALL), *empty = realloc(p, 0);
    free(empty);
    free(p);
}

static void unaligned_free_small(void) {
    free(told(block(SMALL) + 1));
}

static void unaligned_free_large(void) {
    free(told(block(LARGE) + 1));
}

static void invalid_free_small_region(void) {
    free(told(block(SMALL) + 16 * KIB));
}

static void invalid_free_small_region_far(void) {
    free(told(block(SMALL) + 1024 * MIB));
}

/* Memory that is not the heap's, but can be used. */
static void invalid_free_unprotected(void) {
    block(SMALL);
#ifdef __wasm__
    char *page = (char *)(__builtin_wasm_memory_grow(0, 1) * PAGE);
#else
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#endif
    page[PAGE / 2] = 'a';
    free(told(page + PAGE / 2));
}

/* Memory that nobody can use: in a module, that behind the end of linear memory. */
static void invalid_free_protected(void) {
    block(SMALL);
#ifdef __wasm__
    char *page = (char *)(__builtin_wasm_memory_size(0) * PAGE);
#else
    char *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#endif
    free(told(page + PAGE / 2));
}

static void uninitialized_free(void) {
    block(SMALL);
    free(told((void *)1));
}

static void uninitialized_realloc(void) {
    block(SMALL);
    expect(realloc(told((void *)1), 2 * SMALL) == NULL);
}

/* Frees that say how long a block is. */

static void free_sized_small(void) {
    free_sized(filled_block(SMALL), SMALL);
}

static void free_sized_large(void) {
    free_sized(filled_block(LARGE), LARGE);
}

#ifdef __wasm__
/* C++'s operators, in hardened_delete.cpp. */
void delete_type_size_mismatch(void);
void aligned_sized_delete_small(void);
void aligned_sized_delete_small_min_align(void);
void aligned_sized_delete_large(void);
void invalid_aligned_sized_delete_small(void);
void invalid_aligned_sized_delete_large(void);
#else
/* Natively they are the process's own, and here is what they do in a guest. */
static void delete_type_size_mismatch(void) {
    struct type {
        uint64_t fields[4];
    };
    free_sized(block(1), sizeof(struct type));
}

static void aligned_sized_delete_small(void) {
    free_aligned_sized(told(aligned_alloc(64, 64)), 64, 64);
}

static void aligned_sized_delete_small_min_align(void) {
    void *p = NULL;
    expect(posix_memalign(&p, 16, 0) == 0);
    free_aligned_sized(told(p), 16, 0);
}

static void aligned_sized_delete_large(void) {
    free_aligned_sized(told(aligned_alloc(8 * KIB, 16 * KIB)), 8 * KIB, 16 * KIB);
}

static void invalid_aligned_sized_delete_small(void) {
    free_aligned_sized(told(aligned_alloc(64, 64)), 64, 54);
}

static void invalid_aligned_sized_delete_large(void) {
    free_aligned_sized(told(aligned_alloc(8 * KIB, 16 * KIB)), 8 * KIB, 16 * KIB - 10);
}
#endif

static void invalid_free_aligned_sized_small(void) {
    free_aligned_sized(block(SMALL), 3, SMALL);
}

/* The length of what is no block. */

static void invalid_malloc_usable_size_small(void) {
    malloc_usable_size(told(block(SMALL) + 16 * KIB));
}

static void invalid_malloc_usable_size_small_unused(void) {
    char *p = block(SMALL);
    /* The next slot of that slab, which nobody has had. */
    char *q = malloc(SMALL);
    malloc_usable_size(told(q + (q - p)));
}

static void invalid_malloc_usable_size_small_quarantine(void) {
    char *p = block(SMALL);
    free(p);
    malloc_usable_size(p);
}

static void quarantine_invalid_malloc_usable_size_extended(void) {
    char *p = block(32 * KIB);
    free(p);
    malloc_usable_size(p);
}

static void unaligned_malloc_usable_size_small(void) {
    malloc_usable_size(told(block(SMALL) + 1));
}

static void uninitialized_malloc_usable_size(void) {
    block(SMALL);
    malloc_usable_size(told((void *)1));
}

/* What cannot be had, and what can. */

static void impossibly_large_malloc(void) {
    errno = 0;
    expect(malloc((size_t)-8) == NULL);
    expect_errno(ENOMEM);
}

static void impossibly_large_realloc(void) {
    char *p = filled_block(LARGE);
    errno = 0;
    expect(realloc(p, SIZE_MAX / 2) == NULL);
    expect_errno(ENOMEM);
    read_each(p, LARGE);
    free_sized(p, LARGE);
}

static void calloc_overflow(void) {
    /* Their product wraps around to 16. */
    errno = 0;
    expect(calloc(SIZE_MAX / 16 + 2, 16) == NULL);
    expect_errno(ENOMEM);
}

static void reallocarray_overflow(void) {
    errno = 0;
    expect(reallocarray(NULL, SIZE_MAX / 16 + 2, 16) == NULL);
    expect_errno(ENOMEM);
    char *p = filled_block(SMALL);
    expect(reallocarray(p, SIZE_MAX / 16 + 2, 16) == NULL);
    read_each(p, SMALL);
    free_sized(p, SMALL);
}

static void calloc_zeroed(void) {
    free(filled_block(128 * 16));
    char *p = calloc(128, 16);
    read_each(p, 128 * 16);
    free(p);
}

static void aligned_alloc_einval(void) {
    errno = 0;
    expect(aligned_alloc(17, 100) == NULL);
    expect_errno(EINVAL);
}

static void aligned_alloc_zero_size(void) {
    char *p = told(aligned_alloc(8 * KIB, 0));
    expect(is_aligned(p, 8 * KIB));
    free_aligned_sized(p, 8 * KIB, 0);
    void *q = NULL;
    expect(posix_memalign(&q, 8 * KIB, 0) == 0 && q != NULL && is_aligned(q, 8 * KIB));
    free(q);
}

static void posix_memalign_einval(void) {
    void *untouched = (void *)1;
    expect(posix_memalign(&untouched, 17, 100) == EINVAL);
    expect(untouched == (void *)1);
}

static void malloc_zero_different(void) {
    expect(block(0) != block(0));
}

/* A block of no bytes is nobody else's memory. */
static void malloc_noreuse(void) {
    char *p = block(0);
    for (int round = 0; round < 512; round++) {
        char *q = malloc(64);
        expect(p != q);
        free(q);
    }
    free(p);
}

static void large_array_growth(void) {
    char *p = NULL;
    size_t len = 0, more = LARGE;
    for (int round = 0; round < 15; round++) {
        p = realloc(p, more);
        expect(p != NULL && (len == 0 || (p[0] == 'a' && p[len - 1] == 'a')));
        memset(p, 'a', more);
        len = more;
        more = more * 3 / 2;
    }
    free_sized(p, len);
}

/* The first call is a realloc, and the next one another thread's, where there are threads. */
static void *resize(void *ptr) {
    free_sized(told(realloc(ptr, 1024)), 1024);
    return NULL;
}

static void realloc_init(void) {
    void *p = realloc(NULL, 12);
#ifdef __wasm__
    resize(p);
#else
    pthread_t thread;
    expect(pthread_create(&thread, NULL, resize, p) == 0 && pthread_join(thread, NULL) == 0);
#endif
}

/* Reads of memory that is nobody's, or nobody's yet. */

static void read_after_free_small(void) {
    char *p = filled_block(SMALL);
    free(p);
    read_each(p, SMALL);
}

static void read_after_free_large(void) {
    char *p = filled_block(LARGE);
    free(p);
    read_each(p, LARGE);
}

static void read_after_realloc_shrink_large(void) {
    char *p = filled_block(4 * MIB);
    expect(realloc(p, MIB) != NULL);
    read_each(p + MIB, 3 * MIB);
}

static void realloc_c23_undefined_behaviour_use_after_free(void) {
    char *p = filled_block(LARGE), *empty = realloc(p, 0);
    read_each(p, LARGE);
    free(empty);
}

static void uninitialized_read_small(void) {
    free(filled_block(SMALL));
    char *p = block(SMALL);
    read_each(p, SMALL);
    free(p);
}

static void uninitialized_read_large(void) {
    free(filled_block(LARGE));
    char *p = block(LARGE);
    read_each(p, LARGE);
    free(p);
}

/* Writes behind a block. */

static void overflow_small_1_byte(void) {
    char *p = block(SMALL / 2);
    p[malloc_usable_size(p)] ^= 1;
    free(p);
}

static void overflow_small_8_byte(void) {
    char *p = block(SMALL / 2);
    p[malloc_usable_size(p) + 7] ^= 1;
    free(p);
}

static void overflow_large_1_byte(void) {
    char *p = block(LARGE);
    p[malloc_usable_size(p)] ^= 1;
    free(p);
}

static void overflow_large_8_byte(void) {
    char *p = block(LARGE);
    p[malloc_usable_size(p) + 7] ^= 1;
    free(p);
}

static void overflow_large_aligned(void) {
    void *p = NULL;
    expect(posix_memalign(&p, PAGE, LARGE) == 0);
    told(p)[malloc_usable_size(p)] ^= 1;
    free(p);
}

static void overflow_realloc_shrink_large(void) {
    char *p = told(realloc(filled_block(4 * MIB), MIB));
    p[malloc_usable_size(p)] ^= 1;
    free(p);
}

static void write_zero_size(void) {
    char *p = block(0);
    *p = 'a';
    free(p);
}

/* The one byte for which there is no room is the string's end. */
static void string_overflow(void) {
    char *p = block(SMALL);
    strcpy(p, "sixteen letters!");
    free(p);
}

static void memset_buffer_overflow(void) {
    char *p = block(SMALL);
    memset(p, 'b', 2 * SMALL);
    free(p);
}

static void memcpy_buffer_overflow(void) {
    char *from = filled_block(2 * SMALL), *p = block(SMALL);
    memcpy(p, from, 2 * SMALL);
    free(p);
}

static void memmove_buffer_overflow(void) {
    char *from = filled_block(2 * SMALL), *p = block(SMALL);
    memmove(p, from, 2 * SMALL);
    free(p);
}

static void memccpy_buffer_overflow(void) {
    char *from = filled_block(2 * SMALL), *p = block(SMALL);
    memccpy(p, from, 'b', 2 * SMALL);
    free(p);
}

static void wmemset_buffer_overflow(void) {
    wchar_t *p = (wchar_t *)block(SMALL * sizeof(wchar_t));
    wmemset(p, L'b', 2 * SMALL);
    free(p);
}

static void wmemcpy_buffer_overflow(void) {
    wchar_t *from = (wchar_t *)filled_block(2 * SMALL * sizeof(wchar_t));
    wchar_t *p = (wchar_t *)block(SMALL * sizeof(wchar_t));
    wmemcpy(p, from, 2 * SMALL);
    free(p);
}

static void wmemmove_buffer_overflow(void) {
    wchar_t *from = (wchar_t *)filled_block(2 * SMALL * sizeof(wchar_t));
    wchar_t *p = (wchar_t *)block(SMALL * sizeof(wchar_t));
    wmemmove(p, from, 2 * SMALL);
    free(p);
}

/* Writes to a block that was freed, and then its memory is used again. */

static void write_after_free_small(void) {
    char *p = block(128);
    free(p);
    p[65] = 'a';
    use_in_pairs(128);
}

static void write_after_free_small_reuse(void) {
    char *p = block(128);
    free(p);
    expect(malloc(128) != NULL);
    p[65] = 'a';
    use_in_pairs(128);
}

static void write_after_free_large(void) {
    char *p = block(LARGE);
    free(p);
    p[PAGE + 1] = 'a';
    use_in_pairs(LARGE);
}

static void write_after_free_large_reuse(void) {
    char *p = block(LARGE);
    free(p);
    expect(malloc(LARGE) != NULL);
    p[PAGE + 1] = 'a';
    use_in_pairs(LARGE);
}

static void quarantine_write_after_free_extended_reuse(void) {
    char *p = block(32 * KIB);
    free(p);
    p[100] = 'a';
    use_in_pairs(32 * KIB);
}

#define CASE(name) {#name, name}

static const struct {
    const char *name;
    void (*happens)(void);
} CASES[] = {
    CASE(double_free_small),
    CASE(double_free_small_delayed),
    CASE(double_free_large),
    CASE(double_free_large_delayed),
    CASE(quarantine_double_free_extended),
    CASE(quarantine_double_free_extended_delayed),
    CASE(realloc_c23_undefined_behaviour),
    CASE(realloc_c23_undefined_behaviour_double_free),
    CASE(unaligned_free_small),
    CASE(unaligned_free_large),
    CASE(invalid_free_small_region),
    CASE(invalid_free_small_region_far),
    CASE(invalid_free_unprotected),
    CASE(invalid_free_protected),
    CASE(uninitialized_free),
    CASE(uninitialized_realloc),
    CASE(free_sized_small),
    CASE(free_sized_large),
    CASE(delete_type_size_mismatch),
    CASE(aligned_sized_delete_small),
    CASE(aligned_sized_delete_small_min_align),
    CASE(aligned_sized_delete_large),
    CASE(invalid_aligned_sized_delete_small),
    CASE(invalid_aligned_sized_delete_large),
    CASE(invalid_free_aligned_sized_small),
    CASE(invalid_malloc_usable_size_small),
    CASE(invalid_malloc_usable_size_small_unused),
    CASE(invalid_malloc_usable_size_small_quarantine),
    CASE(quarantine_invalid_malloc_usable_size_extended),
    CASE(unaligned_malloc_usable_size_small),
    CASE(uninitialized_malloc_usable_size),
    CASE(impossibly_large_malloc),
    CASE(impossibly_large_realloc),
    CASE(calloc_overflow),
    CASE(reallocarray_overflow),
    CASE(calloc_zeroed),
    CASE(aligned_alloc_einval),
    CASE(aligned_alloc_zero_size),
    CASE(posix_memalign_einval),
    CASE(malloc_zero_different),
    CASE(malloc_noreuse),
    CASE(large_array_growth),
    CASE(realloc_init),
    CASE(read_after_free_small),
    CASE(read_after_free_large),
    CASE(read_after_realloc_shrink_large),
    CASE(realloc_c23_undefined_behaviour_use_after_free),
    CASE(uninitialized_read_small),
    CASE(uninitialized_read_large),
    CASE(overflow_small_1_byte),
    CASE(overflow_small_8_byte),
    CASE(overflow_large_1_byte),
    CASE(overflow_large_8_byte),
    CASE(overflow_large_aligned),
    CASE(overflow_realloc_shrink_large),
    CASE(write_zero_size),
    CASE(string_overflow),
    CASE(memset_buffer_overflow),
    CASE(memcpy_buffer_overflow),
    CASE(memmove_buffer_overflow),
    CASE(memccpy_buffer_overflow),
    CASE(wmemset_buffer_overflow),
    CASE(wmemcpy_buffer_overflow),
    CASE(wmemmove_buffer_overflow),
    CASE(write_after_free_small),
    CASE(write_after_free_small_reuse),
    CASE(write_after_free_large),
    CASE(write_after_free_large_reuse),
    CASE(quarantine_write_after_free_extended_reuse),
};

int main(int argc, char **argv) {
    int found = argc < 2;
    for (size_t at = 0; at < sizeof CASES / sizeof *CASES; at++) {
        if (argc < 2) {
            puts(CASES[at].name);
        } else if (strcmp(argv[1], CASES[at].name) == 0) {
            CASES[at].happens();
            found = 1;
        }
    }
    return found ? 0 : 2;
}
