/* Has a program call pageslab's malloc, free and their family natively, for the tests of a guest on the host. There
 * libpageslab_c.a has them by names that begin with pageslab_, and the process keeps its own. To be included before
 * all else, as the compiler's option -include does.
 *
 * A block of the C library's own (strdup's, getline's) is none of pageslab's then, and freeing it is misuse. errno is
 * not set.
 */
#define malloc pageslab_malloc
#define calloc pageslab_calloc
#define realloc pageslab_realloc
#define reallocarray pageslab_reallocarray
#define free pageslab_free
#define free_sized pageslab_free_sized
#define free_aligned_sized pageslab_free_aligned_sized
#define aligned_alloc pageslab_aligned_alloc
#define memalign pageslab_memalign
#define posix_memalign pageslab_posix_memalign
#define malloc_usable_size pageslab_malloc_usable_size
