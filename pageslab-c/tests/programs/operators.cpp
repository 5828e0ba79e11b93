// Every form of new and delete: as they are meant without an argument, else misused as the argument says. What is handed
// back is printed before.
#include "pageslab.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

using std::align_val_t;
using std::nothrow;

static void *told(void *pointer) {
    void *volatile out_of_sight = pointer;
    std::printf("%#lx\n", (unsigned long)(std::uintptr_t)out_of_sight);
    std::fflush(stdout);
    return out_of_sight;
}

static constexpr align_val_t A64{64};

// Of two neighbours in steps of 32, at least one is not aligned to 64.
static void *unaligned() {
    void *one = ::operator new(24), *other = ::operator new(24);
    return told((std::uintptr_t)one % 64 != 0 ? one : other);
}

// More than there can be.
static std::size_t too_long() { return (std::size_t)told((void *)PTRDIFF_MAX); }

struct base {
    std::int64_t number = 1;
};
struct derived : base {
    std::int64_t more = 2;
};

static const struct {
    const char *name;
    void (*happens)();
} MISUSES[] = {
    {"delete: size", [] { ::operator delete(told(::operator new(24)), 23); }},
    {"delete[]: size", [] { ::operator delete[](told(::operator new[](24)), 23); }},
    {"aligned delete: size", [] { ::operator delete(told(::operator new(24, A64)), 23, A64); }},
    {"aligned delete[]: size", [] { ::operator delete[](told(::operator new[](24, A64)), 23, A64); }},
    {"delete of a base", [] { delete (base *)told((base *)new derived); }},

    {"delete: alignment", [] { ::operator delete(unaligned(), A64); }},
    {"delete[]: alignment", [] { ::operator delete[](unaligned(), A64); }},
    {"delete, nothrow: alignment", [] { ::operator delete(unaligned(), A64, nothrow); }},
    {"delete[], nothrow: alignment", [] { ::operator delete[](unaligned(), A64, nothrow); }},
    {"sized delete: alignment", [] { ::operator delete(unaligned(), 24, A64); }},
    {"sized delete[]: alignment", [] { ::operator delete[](unaligned(), 24, A64); }},

    {"delete: middle", [] { ::operator delete(told((char *)::operator new(64) + 16)); }},
    {"delete[]: middle", [] { ::operator delete[](told((char *)::operator new(64) + 16)); }},
    {"delete, nothrow: middle", [] { ::operator delete(told((char *)::operator new(64) + 16), nothrow); }},
    {"delete[], nothrow: middle", [] { ::operator delete[](told((char *)::operator new(64) + 16), nothrow); }},
    {"aligned delete: middle", [] { ::operator delete(told((char *)::operator new(256, A64) + 64), A64); }},

    {"new: memory", [] { told(::operator new(too_long())); }},
    {"new[]: memory", [] { told(::operator new[](too_long())); }},
    {"aligned new: memory", [] { told(::operator new(too_long(), A64)); }},
    {"aligned new[]: memory", [] { told(::operator new[](too_long(), A64)); }},
    {"new: alignment", [] { told(::operator new(too_long(), align_val_t{131072})); }},
};

static void expect_at(int line, bool is_so) {
    if (!is_so) {
        std::printf("line %d: it is not so\n", line);
        std::exit(1);
    }
}
#define expect(what) expect_at(__LINE__, what)

// The same pointer, to a block of this length.
static void *block(void *pointer, std::size_t size, std::size_t alignment) {
    expect(pointer != nullptr && malloc_usable_size(pointer) == size);
    expect((std::uintptr_t)pointer % alignment == 0);
    return std::memset(pointer, 1, size);
}

static int calls = 0;

static void handler() {
    if (++calls == 3)
        std::set_new_handler(nullptr);
}

static void every_form() {
    const std::size_t sizes[] = {0, 1, 24, 1000, 20000};
    for (std::size_t size : sizes) {
        ::operator delete(block(::operator new(size), size, 16));
        ::operator delete(block(::operator new(size, nothrow), size, 16), size);
        ::operator delete(block(::operator new(size, nothrow), size, 16), nothrow);
        ::operator delete[](block(::operator new[](size), size, 16));
        ::operator delete[](block(::operator new[](size, nothrow), size, 16), size);
        ::operator delete[](block(::operator new[](size, nothrow), size, 16), nothrow);
        for (std::size_t alignment = 1; alignment <= 65536; alignment *= 2) {
            auto a = static_cast<align_val_t>(alignment);
            ::operator delete(block(::operator new(size, a), size, alignment), a);
            ::operator delete(block(::operator new(size, a, nothrow), size, alignment), size, a);
            ::operator delete(block(::operator new(size, a, nothrow), size, alignment), a, nothrow);
            ::operator delete[](block(::operator new[](size, a), size, alignment), a);
            ::operator delete[](block(::operator new[](size, a, nothrow), size, alignment), size, a);
            ::operator delete[](block(::operator new[](size, a, nothrow), size, alignment), a, nothrow);
        }
    }
    ::operator delete(nullptr);
    ::operator delete(nullptr, 5);
    ::operator delete[](nullptr, A64);
    ::operator delete[](nullptr, 5, A64);

    std::set_new_handler(handler);
    expect(::operator new(PTRDIFF_MAX, nothrow) == nullptr && calls == 3);
    expect(::operator new[](PTRDIFF_MAX, nothrow) == nullptr && calls == 3);
    expect(::operator new(PTRDIFF_MAX, A64, nothrow) == nullptr);
    expect(::operator new[](8, align_val_t(131072), nothrow) == nullptr);
    std::puts("every form does what it is meant to");
}

int main(int argc, char **argv) {
    if (argc < 2)
        every_form();
    for (auto &misuse : MISUSES)
        if (argc > 1 && std::strcmp(argv[1], misuse.name) == 0)
            misuse.happens();
    return 0;
}
