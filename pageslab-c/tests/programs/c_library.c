/* What the C library allocates, for itself and for the program: all of it is live in the one heap, whose
 * malloc_usable_size traps for any other pointer. */
#include "pageslab.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

/* More than the C library has room for without malloc. */
enum { HANDLERS = 40 };

static int ended;

static void at_exit(void) {
    if (++ended == HANDLERS)
        printf("%d handlers\n", ended);
}

/* The number of bytes of a block that is live. */
static size_t live(const void *block) {
    if (block == NULL) {
        puts("there is no block");
        exit(1);
    }
    return malloc_usable_size((void *)block);
}

int main(void) {
    for (int handler = 0; handler < HANDLERS; handler++)
        if (atexit(at_exit) != 0)
            return 1;

    /* A locale that is none of the C library's own, so that it has to remember the name. */
    if (setlocale(LC_ALL, "de_DE") == NULL)
        return 1;
    locale_t locale = newlocale(LC_ALL_MASK, "fr_FR", NULL);
    locale_t copy = duplocale(locale);
    if (live(locale) == 0 || live(copy) != live(locale))
        return 1;
    freelocale(copy);
    freelocale(locale);

    const char *variable = getenv("PATH");
    char *text = strdup(variable == NULL ? "" : variable);
    if (live(text) != strlen(text) + 1)
        return 1;
    free(text);

    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0)
        if (live(line) != room)
            return 1;
    free(line);

    char *bytes = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&bytes, &len);
    if (live(stream) == 0)
        return 1;
    for (int number = 0; number < 1000; number++)
        fprintf(stream, "%d,", number);
    if (fclose(stream) != 0 || len != 3890 || live(bytes) < len)
        return 1;
    free(bytes);

#ifdef __wasi__
    /* The headers of WASI have it, and none of C's. */
    char *pages = valloc(100);
    if (live(pages) != 100 || (size_t)pages % 65536 != 0)
        return 1;
    free_sized(pages, 100);
#endif
    puts("one heap");
    return 0;
}
