// The mistakes of `misuse.rs` natively, by malloc and free, with whatever allocator is preloaded:
//
//     cc -O1 -fno-builtin -o misuse native.c && LD_PRELOAD=libhardened_malloc.so ./misuse
//
// Each is made in a process of its own, with the fifth of eight blocks. Then the process goes on as a correct program would: it
// frees all, and allocates and frees as much again. A line for each mistake: of how many sizes it was refused, noticed later, or led to
// blocks that overlap or change ("corrupt"), to a crash, or to nothing.
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void free_sized(void *ptr, size_t size) __attribute__((weak));

enum { BLOCKS = 8, VICTIM = 4, AGAIN = 2000 };
enum { REFUSED = 10, CORRUPT = 11 };

static const size_t SIZES[] = {24, 100, 1000, 9000, 70000};
enum { SIZES_LEN = sizeof SIZES / sizeof *SIZES };

static unsigned char *blocks[BLOCKS];
static int progress;

// Tells the parent how far it came, whatever ends it.
static void tell(char step) {
    if (write(progress, &step, 1) != 1) {
        _exit(2);
    }
}

static void length_off_by(long by, size_t size) {
    if (free_sized == NULL) {
        _exit(3);
    }
    unsigned char *block = blocks[VICTIM];
    blocks[VICTIM] = NULL;
    free_sized(block, size + by);
}

static void make(int mistake, size_t size) {
    unsigned char *volatile block = blocks[VICTIM];
    switch (mistake) {
    case 0:
        blocks[VICTIM] = NULL;
        free(block);
        free(block);
        break;
    case 1:
        blocks[VICTIM] = NULL;
        free(block);
        for (int tries = 0; tries < 16; tries += 1) {
            unsigned char *other = malloc(size);
            if (other == block) {
                blocks[VICTIM] = memset(other, VICTIM, size);
                break;
            }
        }
        free(block);
        break;
    case 2:
        length_off_by(-1, size);
        break;
    case 3:
        length_off_by(64, size);
        break;
    case 4:
        free(block + (size / 2 + 15) / 16 * 16);
        break;
    case 5:
        free((void *)((uintptr_t)block ^ (uintptr_t)1 << 40));
        break;
    case 6:
        block[size] = 'x';
        break;
    case 7:
        blocks[VICTIM] = NULL;
        free(block);
        memset(block, 'x', size);
        break;
    }
}

static const char *const NAMES[] = {
    "double free",         "double free, new owner",        "length off by 1", "length off by 64",
    "free of a block's middle", "free of a made-up pointer", "overflow by 1",   "write after free",
};
enum { MISTAKES = sizeof NAMES / sizeof *NAMES };

static bool is_whole(unsigned char *block, int mark, size_t size) {
    for (size_t at = 0; at < size; at += 1) {
        if (block[at] != mark) {
            return false;
        }
    }
    return true;
}

static void run(int mistake, size_t size) {
    for (int index = 0; index < BLOCKS; index += 1) {
        blocks[index] = malloc(size);
        memset(blocks[index], index, size);
    }
    make(mistake, size);
    tell('m');
    for (int again = 0; again < AGAIN; again += 1) {
        for (int index = 0; index < BLOCKS; index += 1) {
            if (blocks[index] == NULL) {
                blocks[index] = malloc(size);
                memset(blocks[index], index, size);
            }
        }
        for (int index = 0; index < BLOCKS; index += 1) {
            // What the mistake itself wrote or freed is its own.
            if ((again > 0 || index != VICTIM) && !is_whole(blocks[index], index, size)) {
                _exit(CORRUPT);
            }
        }
        int victim = again % BLOCKS;
        free(blocks[victim]);
        blocks[victim] = NULL;
    }
    _exit(0);
}

int main(void) {
    for (int mistake = 0; mistake < MISTAKES; mistake += 1) {
        int refused = 0, later = 0, corrupt = 0, crashed = 0, nothing = 0, missing = 0;
        for (int index = 0; index < SIZES_LEN; index += 1) {
            int ends[2];
            if (pipe(ends) != 0) {
                return 1;
            }
            pid_t child = fork();
            if (child == 0) {
                progress = ends[1];
                // A call without end is a crash as well.
                alarm(10);
                run(mistake, SIZES[index]);
            }
            close(ends[1]);
            int status;
            waitpid(child, &status, 0);
            char step;
            bool is_made = read(ends[0], &step, 1) == 1;
            close(ends[0]);
            bool is_abort = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
            if (is_abort) {
                is_made ? later++ : refused++;
            } else if (WIFSIGNALED(status)) {
                crashed++;
            } else if (WEXITSTATUS(status) == 3) {
                missing++;
            } else if (WEXITSTATUS(status) == CORRUPT) {
                corrupt++;
            } else {
                nothing++;
            }
        }
        printf("%-26s of %d: %d refused, %d later, %d corrupt, %d crashed, %d nothing, %d without free_sized\n",
               NAMES[mistake], SIZES_LEN, refused, later, corrupt, crashed, nothing, missing);
    }
    return 0;
}
