/* Calls a function that may trap, and tells whether it did. A trap leaves all frames between where they are, as an engine
   for WebAssembly does: nothing in them is dropped. One at a time. */

#include <setjmp.h>

static jmp_buf landing;

int pageslab_call(void (*call)(void *), void *data) {
    if (_setjmp(landing)) {
        return 1;
    }
    call(data);
    return 0;
}

void pageslab_trap(void) {
    _longjmp(landing, 1);
}
