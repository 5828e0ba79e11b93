// new and delete, and the standard library's containers: all of it by way of malloc and its family.
#include "pageslab.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct alignas(256) aligned {
    char bytes[300];
};

int main() {
    std::map<std::string, std::vector<int>> multiples;
    for (int number = 0; number < 10000; number++)
        multiples["a class of numbers: " + std::to_string(number % 97)].push_back(number);
    std::list<std::string> names;
    for (auto &[name, numbers] : multiples)
        if (numbers.front() % 2 == 0)
            names.push_back(name);
    std::erase_if(multiples, [&](auto &entry) { return std::find(names.begin(), names.end(), entry.first) == names.end(); });

    long sum = 0;
    for (auto &[name, numbers] : multiples)
        for (int number : numbers)
            sum += number;

    auto bytes = std::make_unique<char[]>(77);
    auto more = std::make_unique<aligned>();
    bool is_aligned = reinterpret_cast<std::uintptr_t>(more.get()) % 256 == 0;
    std::printf("%zu classes, sum %ld, block of %zu, %s\n", multiples.size(), sum, malloc_usable_size(bytes.get()),
                is_aligned ? "aligned" : "NOT aligned");
    return 0;
}
