// Static objects whose destructors run at the end of the program, more than the C library has room for without malloc.
#include <cstdio>
#include <memory>
#include <utility>

static constexpr int COUNT = 40;
static int destroyed = 0;

struct object {
    std::unique_ptr<char[]> bytes{new char[100]};
    ~object() {
        if (++destroyed == COUNT)
            std::printf("%d objects destroyed\n", destroyed);
    }
};

template <int number> static object &numbered() {
    static object object;
    return object;
}

template <int... numbers> static void all(std::integer_sequence<int, numbers...>) { (numbered<numbers>(), ...); }

int main() {
    all(std::make_integer_sequence<int, COUNT>());
    return 0;
}
