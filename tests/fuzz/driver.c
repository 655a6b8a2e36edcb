/* The main() of a fuzz target where libFuzzer is not: replays seeds, then random mutations of them
 * for some seconds, or so many of them.
 *
 *     fuzz_NAME SECONDS|COUNTx SEED_FILE_OR_FOLDER...
 *
 * $FUZZ_SEED (1) starts the random numbers, so that a run can be repeated. It follows no coverage:
 * the long search is libFuzzer's (`make fuzz`). An input that crashes, or takes too long, is
 * written to "fuzz-crash" in $TMPDIR (/tmp) and named. One thread.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

enum { MOST_SEEDS = 4096, MOST_BYTES = 1 << 16, INPUT_SECONDS = 30, MOST_CHANGES = 8 };

struct seed {
    char *data;
    size_t size;
};

static struct seed seeds[MOST_SEEDS];
static size_t seed_count;

/* What is being tried, for the report of a crash. */
static uint8_t input[MOST_BYTES];
static size_t input_size;
static char crash_path[256];

static void write_crash(void)
{
    static const char before[] = "the input is in ";
    int file = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    ssize_t written = write(file, input, input_size);
    close(file);
    if (written == (ssize_t)input_size) {
        written = write(STDERR_FILENO, before, sizeof before - 1);
        written = write(STDERR_FILENO, crash_path, strlen(crash_path));
        written = write(STDERR_FILENO, "\n", 1);
    }
}

static void on_signal(int number)
{
    write_crash();
    signal(number, SIG_DFL);
    raise(number);
}

static void try_input(void)
{
    alarm(INPUT_SECONDS);
    LLVMFuzzerTestOneInput(input, input_size);
    alarm(0);
}

/* xorshift64*, Vigna 2014. */
static uint64_t state;
static size_t below(size_t limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (size_t)(state * 0x2545F4914F6CDD1Du >> 32) % limit;
}

static void insert(size_t at, const void *bytes, size_t size)
{
    if (size > MOST_BYTES - input_size)
        return;
    memmove(input + at + size, input + at, input_size - at);
    memmove(input + at, bytes, size);
    input_size += size;
}

static void erase(size_t at, size_t size)
{
    memmove(input + at, input + at + size, input_size - at - size);
    input_size -= size;
}

/* One random change. */
static void mutate(void)
{
    static const uint8_t telling[] = {0,    0x7F, 0x80, 0xBF, 0xC0, 0xED,
                                      0xF4, 0xFF, '"',  '{',  '}',  '-'};
    uint8_t piece[64];
    size_t at = below(input_size + 1), left = input_size - at;

    switch (below(7)) {
    case 0:
        if (left)
            input[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        if (left)
            input[at] = telling[below(sizeof telling)];
        break;
    case 2:
        if (left)
            input[at] = (uint8_t)below(256);
        break;
    case 3:
        piece[0] = (uint8_t)below(256);
        insert(at, piece, 1);
        break;
    case 4:
        if (left)
            erase(at, 1 + below(left < 32 ? left : 32));
        break;
    case 5: { /* a piece of this input again */
        size_t size = left < sizeof piece ? left : sizeof piece;
        memcpy(piece, input + at, size);
        insert(below(input_size + 1), piece, size);
        break;
    }
    default: { /* a piece of another seed */
        const struct seed *other = &seeds[below(seed_count)];
        size_t from = below(other->size + 1);
        size_t size = other->size - from < sizeof piece ? other->size - from : sizeof piece;
        insert(at, other->data + from, size);
    }
    }
}

static void load_seed(size_t i)
{
    input_size = seeds[i].size;
    memcpy(input, seeds[i].data, input_size);
}

static int add_seed(const char *path)
{
    struct err err;
    if (seed_count == MOST_SEEDS)
        return 0;
    struct seed *seed = &seeds[seed_count];
    if (file_read(&seed->data, &seed->size, path, MOST_BYTES, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return -1;
    }
    seed_count++;
    return 0;
}

static int add_seeds(const char *path)
{
    struct dirent **names;
    struct stat status;
    int r = 0;

    if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode))
        return add_seed(path);
    int count = scandir(path, &names, NULL, alphasort); /* sorted: the same seeds every time */
    if (count < 0) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char *file = names[i]->d_name[0] == '.' ? NULL : file_join(path, names[i]->d_name);
        if (file && add_seed(file) < 0)
            r = -1;
        free(file);
        free(names[i]);
    }
    free(names);
    return r;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    const char *number = getenv("FUZZ_SEED"), *folder = getenv("TMPDIR");
    unsigned long tries = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: %s SECONDS|COUNTx SEED_FILE_OR_FOLDER...\n", argv[0]);
        return 2;
    }
    for (int i = 2; i < argc; i++)
        if (add_seeds(argv[i]) < 0)
            return 2;
    if (seed_count == 0) {
        fprintf(stderr, "%s: no seeds\n", argv[0]);
        return 2;
    }
    snprintf(crash_path, sizeof crash_path, "%s/fuzz-crash", folder ? folder : "/tmp");
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(write_crash);
    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);
    state = number ? strtoull(number, NULL, 10) : 1;
    printf("%zu seeds, random numbers from FUZZ_SEED=%llu", seed_count, (unsigned long long)state);
    fflush(stdout);
    state = (state + 1) * 0x9E3779B97F4A7C15u;

    for (size_t i = 0; i < seed_count; i++) {
        load_seed(i);
        try_input();
    }
    char *rest;
    double limit = strtod(argv[1], &rest), end = now() + limit;
    for (bool counts = *rest == 'x'; counts ? (double)tries < limit : now() < end; tries++) {
        load_seed(below(seed_count));
        for (size_t changes = 1 + below(MOST_CHANGES); changes > 0; changes--)
            mutate();
        try_input();
    }
    printf(", %lu mutations\n", tries);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].data);
    return 0;
}
