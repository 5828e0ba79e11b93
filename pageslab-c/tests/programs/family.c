/* Every function of the family does what the header says where nothing is misused, in the C library's company. */
#include "pageslab.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHECK(claim)                                                                                                   \
    do {                                                                                                               \
        if (!(claim)) {                                                                                                \
            printf("line %d: not so: %s\n", __LINE__, #claim);                                                         \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

/* The same value, of which the compiler knows nothing: it would have an opinion on lengths that cannot be. */
static size_t opaque(size_t value) {
    volatile size_t out_of_sight = value;
    return out_of_sight;
}

static int is_aligned(const void *ptr, size_t alignment) { return ptr != NULL && (uintptr_t)ptr % alignment == 0; }

int main(void) {
    for (size_t len = 0; len < 20000; len = len * 5 / 4 + 1) {
        char *block = malloc(opaque(len));
        CHECK(is_aligned(block, 16));
        CHECK(malloc_usable_size(block) == len);
        memset(block, 1, len);
        free_sized(block, len);
    }

    char *empty = malloc(opaque(0)), *another = malloc(opaque(0));
    CHECK(empty != NULL && another != NULL && empty != another);
    free(empty);
    free_sized(another, 0);
    free(NULL);
    free_sized(NULL, 5);
    free_aligned_sized(NULL, 3, 5);
    CHECK(malloc_usable_size(NULL) == 0);

    char *dirty = malloc(opaque(5000));
    memset(dirty, 1, 5000);
    free(dirty);
    char *clean = calloc(opaque(50), 100);
    CHECK(malloc_usable_size(clean) == 5000);
    for (size_t at = 0; at < 5000; at++)
        CHECK(clean[at] == 0);
    errno = 0;
    CHECK(calloc(opaque(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM);

    strcpy(clean, "kept");
    char *block = realloc(clean, opaque(70000));
    CHECK(strcmp(block, "kept") == 0 && malloc_usable_size(block) == 70000);
    block = reallocarray(block, opaque(10), 3);
    CHECK(strcmp(block, "kept") == 0 && malloc_usable_size(block) == 30);
    errno = 0;
    CHECK(reallocarray(block, opaque(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(block, opaque(PTRDIFF_MAX)) == NULL && errno == ENOMEM);
    CHECK(strcmp(block, "kept") == 0 && malloc_usable_size(block) == 30);
    block = realloc(block, opaque(0));
    CHECK(block != NULL && malloc_usable_size(block) == 0);
    free(block);
    block = realloc(NULL, opaque(7));
    CHECK(malloc_usable_size(block) == 7);
    free_sized(block, 7);

    errno = 0;
    CHECK(malloc(opaque(SIZE_MAX)) == NULL && errno == ENOMEM);

    for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        block = aligned_alloc(opaque(alignment), 100);
        CHECK(is_aligned(block, alignment));
        free_aligned_sized(block, alignment, 100);
        block = memalign(opaque(alignment), 3 * alignment);
        CHECK(is_aligned(block, alignment));
        free(block);
        void *out = NULL;
        if (alignment < sizeof(void *)) {
            CHECK(posix_memalign(&out, opaque(alignment), 1) == EINVAL && out == NULL);
        } else {
            CHECK(posix_memalign(&out, opaque(alignment), 1) == 0 && is_aligned(out, alignment));
            free(out);
        }
    }
    size_t unfit[] = {0, 3, 24, 131072};
    for (size_t at = 0; at < sizeof unfit / sizeof *unfit; at++) {
        void *out = &unfit;
        errno = 0;
        CHECK(aligned_alloc(opaque(unfit[at]), 8) == NULL && errno == EINVAL);
        CHECK(posix_memalign(&out, opaque(unfit[at]), 8) == EINVAL && out == &unfit);
    }
    void *out = &unfit;
    CHECK(posix_memalign(&out, 64, opaque(PTRDIFF_MAX)) == ENOMEM && out == &unfit);

    /* What the C library allocates comes from the same heap. */
    char *copy = strdup("hello");
    CHECK(malloc_usable_size(copy) == 6);
    free_sized(copy, 6);
    char *line = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&line, &len);
    CHECK(stream != NULL);
    for (int number = 0; number < 1000; number++)
        fprintf(stream, "%d,", number);
    CHECK(fclose(stream) == 0);
    CHECK(len == 3890 && malloc_usable_size(line) >= len);
    free(line);

    puts("all is as the header says");
    return 0;
}
