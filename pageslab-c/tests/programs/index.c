/* A program with a life of its own: counts words in a hash table that grows and forgets, writes an index into a string
 * that grows, and sorts a matrix of ragged rows. Its test computes the same, in Rust. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 1;

static uint32_t any(uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

static void *must(void *ptr) {
    if (ptr == NULL)
        abort();
    return ptr;
}

/* FNV-1a, of 64 bits. */
static uint64_t hash(uint64_t so_far, const void *bytes, size_t len) {
    for (const unsigned char *byte = bytes; len > 0; byte++, len--)
        so_far = (so_far ^ *byte) * 0x100000001b3;
    return so_far;
}

static const uint64_t NOTHING = 0xcbf29ce484222325;

/* A word of letters: the same for the same number, up to some hundred letters. */
static char *spell(uint32_t number) {
    size_t len = 1 + number % 7 * (number % 19);
    char *word = must(malloc(len + 1));
    for (size_t at = 0; at < len; at++)
        word[at] = (char)('a' + (number >> at % 12) % 26);
    word[len] = '\0';
    return word;
}

typedef struct entry {
    struct entry *next;
    char *word;
    uint32_t count;
} entry;

typedef struct {
    entry **buckets;
    size_t bucket_count, len;
} table;

static entry **place(const table *table, const char *word) {
    entry **at = &table->buckets[hash(NOTHING, word, strlen(word)) % table->bucket_count];
    while (*at != NULL && strcmp((*at)->word, word) != 0)
        at = &(*at)->next;
    return at;
}

static void grow(table *old) {
    table new = {.bucket_count = old->bucket_count * 2 + 1, .len = old->len};
    new.buckets = must(calloc(new.bucket_count, sizeof *new.buckets));
    for (size_t bucket = 0; bucket < old->bucket_count; bucket++)
        for (entry *each = old->buckets[bucket], *next; each != NULL; each = next) {
            next = each->next;
            entry **at = place(&new, each->word);
            each->next = NULL;
            *at = each;
        }
    free(old->buckets);
    *old = new;
}

static void count(table *table, uint32_t number) {
    if (table->len >= table->bucket_count)
        grow(table);
    char *word = spell(number);
    entry **at = place(table, word);
    if (*at == NULL) {
        *at = must(malloc(sizeof **at));
        **at = (entry){.word = must(strdup(word))};
        table->len++;
    }
    (*at)->count++;
    free(word);
}

static void forget(table *table, uint32_t number) {
    char *word = spell(number);
    entry **at = place(table, word), *found = *at;
    if (found != NULL) {
        *at = found->next;
        free(found->word);
        free(found);
        table->len--;
    }
    free(word);
}

static int by_count_and_word(const void *left, const void *right) {
    const entry *a = *(entry *const *)left, *b = *(entry *const *)right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

static void words(void) {
    table table = {0};
    for (int round = 0; round < 200000; round++) {
        count(&table, any(9000));
        if (round % 3 == 0 && round > 30000)
            forget(&table, any(9000));
    }

    entry **sorted = NULL;
    size_t len = 0;
    for (size_t bucket = 0; bucket < table.bucket_count; bucket++)
        for (entry *each = table.buckets[bucket]; each != NULL; each = each->next) {
            sorted = must(realloc(sorted, (len + 1) * sizeof *sorted));
            sorted[len++] = each;
        }
    free(table.buckets);
    qsort(sorted, len, sizeof *sorted, by_count_and_word);

    char *text = NULL;
    size_t used = 0, room = 0;
    for (size_t at = 0; at < len; at++) {
        size_t most = strlen(sorted[at]->word) + 16;
        if (used + most > room) {
            room = (used + most) * 3 / 2;
            text = must(realloc(text, room));
        }
        used += (size_t)snprintf(text + used, room - used, "%s=%u;", sorted[at]->word, (unsigned)sorted[at]->count);
        free(sorted[at]->word);
        free(sorted[at]);
    }
    free(sorted);
    printf("%zu words, %zu bytes, %016llx\n", len, used, (unsigned long long)hash(NOTHING, text, used));
    free(text);
}

typedef struct {
    uint32_t *cells;
    size_t len;
} row;

static int by_number(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static int by_cells(const void *left, const void *right) {
    const row *a = left, *b = right;
    for (size_t at = 0; at < a->len && at < b->len; at++)
        if (a->cells[at] != b->cells[at])
            return a->cells[at] < b->cells[at] ? -1 : 1;
    return (a->len > b->len) - (a->len < b->len);
}

static void matrix(void) {
    enum { ROWS = 2000 };
    row *rows = must(calloc(ROWS, sizeof *rows));
    for (row *each = rows; each < rows + ROWS; each++) {
        size_t len = 1 + any(2500);
        for (; each->len < len; each->len++) {
            if (each->len % 64 == 0)
                each->cells = must(realloc(each->cells, (each->len + 64) * sizeof *each->cells));
            each->cells[each->len] = any(100000);
        }
        each->cells = must(realloc(each->cells, len * sizeof *each->cells));
        qsort(each->cells, len, sizeof *each->cells, by_number);
    }
    qsort(rows, ROWS, sizeof *rows, by_cells);

    uint64_t sum = NOTHING;
    /* In any order, so that what is freed lies between what is not. */
    for (size_t left = ROWS; left > 0; left--) {
        row *one = &rows[any((uint32_t)left)];
        for (size_t at = 0; at < one->len; at++)
            sum = (sum ^ one->cells[at]) * 0x100000001b3;
        free(one->cells);
        *one = rows[left - 1];
    }
    free(rows);
    printf("%d rows, %016llx\n", ROWS, (unsigned long long)sum);
}

int main(void) {
    words();
    matrix();
    return 0;
}
