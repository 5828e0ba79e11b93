// Those cases of hardened.c that are C++'s.
#include <cstddef>
#include <cstdint>
#include <new>

extern "C" {
char *told(void *ptr);

void delete_type_size_mismatch() {
    struct type {
        std::uint64_t fields[4];
    };
    void *p = told(new char);
    delete static_cast<type *>(p);
}

// Allocates and deletes, perhaps with another size.
static void aligned(std::size_t alignment, std::size_t size, std::size_t given) {
    void *p = told(::operator new(size, std::align_val_t(alignment)));
    ::operator delete(p, given, std::align_val_t(alignment));
}

void aligned_sized_delete_small() { aligned(64, 64, 64); }
void aligned_sized_delete_small_min_align() { aligned(16, 0, 0); }
void aligned_sized_delete_large() { aligned(8 << 10, 16 << 10, 16 << 10); }
void invalid_aligned_sized_delete_small() { aligned(64, 64, 54); }
void invalid_aligned_sized_delete_large() { aligned(8 << 10, 16 << 10, (16 << 10) - 10); }
}
