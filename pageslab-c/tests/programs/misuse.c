/* Misuses the heap as its argument says, having printed what it hands back. Each is one that compilers would see
 * through, and remove, if the pointer were not out of their sight. */
#include "pageslab.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char object[64];

/* The same pointer, of which the compiler knows nothing. */
static void *told(void *pointer) {
    void *volatile out_of_sight = pointer;
    printf("%#lx\n", (unsigned long)(uintptr_t)out_of_sight);
    fflush(stdout);
    return out_of_sight;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    char *block = told(malloc(24));
    char *run = told(malloc(100000));
    char local[64];

    if (strcmp(what, "double free") == 0) {
        free(block);
        free(told(block));
    } else if (strcmp(what, "double free of a long block") == 0) {
        free(run);
        free(told(run));
    } else if (strcmp(what, "interior free") == 0) {
        free(told(block + 8));
    } else if (strcmp(what, "interior free of a long block") == 0) {
        free(told(run + 4096));
    } else if (strcmp(what, "foreign free") == 0) {
        free(told((void *)(uintptr_t)0xFFFF0000));
    } else if (strcmp(what, "free of a static object") == 0) {
        free(told(object));
    } else if (strcmp(what, "free of the stack") == 0) {
        free(told(local));
    } else if (strcmp(what, "wrong free_sized") == 0) {
        free_sized(told(block), 23);
    } else if (strcmp(what, "free_sized after free") == 0) {
        free(block);
        free_sized(told(block), 24);
    } else if (strcmp(what, "free_aligned_sized of another length") == 0) {
        free_aligned_sized(told(block), 16, 25);
    } else if (strcmp(what, "free_aligned_sized of no alignment") == 0) {
        free_aligned_sized(told(block), 24, 24);
    } else if (strcmp(what, "free_aligned_sized of a block aligned to less") == 0) {
        /* Of two neighbours in steps of 32, at least one is not aligned to 64. */
        char *other = told(malloc(24));
        free_aligned_sized(told((uintptr_t)block % 64 != 0 ? block : other), 64, 24);
    } else if (strcmp(what, "realloc after free") == 0) {
        free(block);
        block = realloc(told(block), 48);
    } else if (strcmp(what, "realloc of the middle") == 0) {
        block = realloc(told(block + 16), 48);
    } else if (strcmp(what, "malloc_usable_size after free") == 0) {
        free(block);
        printf("%zu\n", malloc_usable_size(told(block)));
    } else {
        puts("no misuse");
    }
    return 0;
}
