/* Has a program call pageslab's malloc, free and their family natively, for the tests of a guest on the host. There
 * libpageslab_c.a has them by names that begin with pageslab_, and the process keeps its own. To be included before
 * all else, as the compiler's option -include does.
 *
 * A block of the C library's own (strdup's, getline's) is none of pageslab's then, and freeing it is misuse. errno is
 * not set. C++'s new and delete are the process's own, too.
 */
#ifndef PAGESLAB_NATIVE_H
#define PAGESLAB_NATIVE_H

/* The C library's declarations come before the names change: C++'s <cstdlib> undefines them, and wants the functions. */
#include <stdlib.h>
#ifdef __linux__
#include <malloc.h>
#endif

#ifdef __cplusplus
#include <cstdlib>
extern "C" {
#endif

void *pageslab_malloc(size_t size);
void *pageslab_calloc(size_t count, size_t size);
void *pageslab_realloc(void *ptr, size_t size);
void pageslab_free(void *ptr);
void *pageslab_aligned_alloc(size_t alignment, size_t size);

#ifdef __cplusplus
}
namespace std {
using ::pageslab_malloc;
using ::pageslab_calloc;
using ::pageslab_realloc;
using ::pageslab_free;
using ::pageslab_aligned_alloc;
}
#endif

#define malloc pageslab_malloc
#define calloc pageslab_calloc
#define realloc pageslab_realloc
#define reallocarray pageslab_reallocarray
#define free pageslab_free
#define free_sized pageslab_free_sized
#define free_aligned_sized pageslab_free_aligned_sized
#define aligned_alloc pageslab_aligned_alloc
#define memalign pageslab_memalign
#define valloc pageslab_valloc
#define posix_memalign pageslab_posix_memalign
#define malloc_usable_size pageslab_malloc_usable_size

/* The rest of the family. */
#include "pageslab.h"

#endif
