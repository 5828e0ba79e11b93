/* malloc, free and their family, as libpageslab_c.a has them: what each checks, and what becomes of misuse.
 *
 * A program needs this header only for the functions that its <stdlib.h> lacks; linked to the library, all of its calls
 * go to pageslab, and those that the C library makes for it.
 *
 * Misuse. Whatever is handed back must be a pointer that one of these functions returned, to a block that is still
 * live. A second free, a pointer into the middle of a block, to the stack, to a static object or out of nowhere, and a
 * length or alignment that is not the block's, are each misuse: nothing is changed, one line on stderr says what was
 * wrong,
 *
 *     pageslab: the allocation at 0x1011020 was freed before
 *
 * and the program traps. Pointers in it are offsets into linear memory, as %p prints them. Of a freed block nothing is
 * known any more as soon as its memory is in use again.
 *
 * Failure. Where memory is exhausted, where count * size overflows, and for lengths beyond PTRDIFF_MAX, the result is
 * NULL and errno is ENOMEM; for an alignment that is no power of two up to 65,536 it is NULL and EINVAL. (errno is set
 * under WASI; elsewhere there is no C library that this one knows. Clang takes it that these functions leave errno alone
 * unless told -fno-builtin: look at the result, not at errno.) What was allocated stays as it was. README.md has a table
 * of where other allocators differ.
 *
 * C++. All forms of new and delete are the library's, too, and allocate and free as these functions do. A sized delete is
 * free_sized, and an aligned one free_aligned_sized: what differs from the new is misuse. A new that fails calls the
 * program's new handler, and without one ends as misuse does, since it cannot throw; with std::nothrow it gives NULL.
 */
#ifndef PAGESLAB_H
#define PAGESLAB_H

#include <stddef.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of <stdlib.h>:
 *
 * void *malloc(size_t size);
 *     `size` bytes of any contents, aligned to 16. malloc(0) is a block like others: its pointer is unlike all others
 *     that are live, and is to be freed.
 *
 * void *calloc(size_t count, size_t size);
 *     count * size zeroed bytes. Memory that was never used is not cleared again.
 *
 * void *realloc(void *ptr, size_t size);
 *     Makes the block longer or shorter, where it is or elsewhere (aligned to 16 then, whatever it was before).
 *     realloc(NULL, size) is malloc(size). realloc(ptr, 0) does not free: the block becomes an empty one, as malloc(0)
 *     returns, and is still to be freed. A pointer to no live block is misuse, whatever the size.
 *
 * void free(void *ptr);
 *     Frees the block. NULL is nothing to free. A pointer to no live block is misuse.
 *
 * void *aligned_alloc(size_t alignment, size_t size);
 *     As malloc, aligned to `alignment` as well: a power of two up to 65,536. `size` need not be a multiple of it.
 */

/* As realloc(ptr, count * size), unless that overflows. */
void *reallocarray(void *ptr, size_t count, size_t size);

/* The older name of aligned_alloc. */
void *memalign(size_t alignment, size_t size);

/* aligned_alloc(65536, size): a page of linear memory has so many bytes. */
void *valloc(size_t size);

/* As aligned_alloc, but puts the pointer into *out and returns 0. Else it returns ENOMEM or EINVAL, the latter also if
 * `alignment` is no multiple of sizeof(void *), and leaves *out and errno alone. */
int posix_memalign(void **out, size_t alignment, size_t size);

/* As free(ptr), for a block that malloc, calloc, realloc or reallocarray returned (C23). Misuse if the block's length,
 * as it was asked for last, is not `size`: to the byte. */
void free_sized(void *ptr, size_t size);

/* As free_sized(ptr, size), for a block that aligned_alloc returned (C23). Misuse also if `alignment` is no power of
 * two up to 65,536, or the block is not aligned to it. (A block that happens to be aligned to more than was asked for
 * passes.) */
void free_aligned_sized(void *ptr, size_t alignment, size_t size);

/* The length that was asked for, to the byte: there is no more to use. 0 for NULL. A pointer to no live block is
 * misuse. */
size_t malloc_usable_size(void *ptr);

#ifdef __cplusplus
}
#endif

#endif
