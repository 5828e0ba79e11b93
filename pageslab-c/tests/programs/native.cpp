// A program in C++ that calls the family natively, by all of its names.
#include <cstdlib>
#include <memory>
#include <stdlib.h>
#include <string>
#include <vector>
#ifdef __linux__
#include <malloc.h>
#endif
#include <cstdio>

int main() {
    void *blocks[] = {
        malloc(24),
        std::malloc(24),
        ::calloc(2, 12),
        std::calloc(2, 12),
        std::realloc(nullptr, 24),
        ::reallocarray(nullptr, 2, 12),
        std::aligned_alloc(64, 24),
        memalign(64, 24),
        valloc(24),
    };
    for (void *block : blocks)
        if (malloc_usable_size(block) != 24)
            return 1;
    for (void *block : blocks)
        std::free(block);
    // Those that are not called by these names are the process's own.
    std::vector<std::string> names(100, std::string(100, 'a'));
    std::printf("%zu\n", names.size());
    return 0;
}
