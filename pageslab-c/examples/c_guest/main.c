/* The smallest guest in C: counts the words of a text that it reads, and hands everything back.
 *
 *     echo "to be or not to be" | wasmtime run words.wasm
 */
#include "pageslab.h"

#include <stdio.h>
#include <string.h>

typedef struct word {
    struct word *next;
    unsigned count;
    char text[];
} word;

/* All of stdin, in a block that grows as it comes. */
static char *read_text(void) {
    size_t len = 0;
    char *text = malloc(1);
    for (int next; text != NULL && (next = getchar()) != EOF;) {
        text[len++] = (char)next;
        char *longer = realloc(text, len + 1);
        if (longer == NULL)
            free(text);
        text = longer;
    }
    if (text != NULL)
        text[len] = '\0';
    return text;
}

/* Counts a word: at the end of the list, if it is a new one. */
static int count(word **list, const char *text) {
    while (*list != NULL && strcmp((*list)->text, text) != 0)
        list = &(*list)->next;
    if (*list == NULL) {
        *list = calloc(1, sizeof(word) + strlen(text) + 1);
        if (*list == NULL)
            return 0;
        strcpy((*list)->text, text);
    }
    (*list)->count += 1;
    return 1;
}

int main(void) {
    char *text = read_text();
    if (text == NULL)
        return 1;
    printf("%zu bytes\n", malloc_usable_size(text) - 1);

    word *list = NULL;
    for (char *next = strtok(text, " \t\n"); next != NULL; next = strtok(NULL, " \t\n"))
        if (!count(&list, next))
            return 1;
    free(text);

    while (list != NULL) {
        word *next = list->next;
        printf("%u %s\n", list->count, list->text);
        /* Who knows a block's length says so, and has it checked. */
        free_sized(list, sizeof(word) + strlen(list->text) + 1);
        list = next;
    }
    return 0;
}
