/* What the chip can do at best: multiplications and additions by nothing but the product
 * instruction, on registers, for each precision. Prints one JSON object of 10^9 operations a second
 * of one core, with all THREADS cores at it: what a bare loop of each instruction gives in CPU
 * time.
 *
 *   bench_limit [THREADS]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef __x86_64__
#include <immintrin.h>

enum { MAX_THREADS = 256, STEPS = 200000, ROUNDS = 20 };

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* Keeps the compiler from merging values that are alike. */
#define KEEP(value) __asm__ volatile("" : "+v"(value))

/* `count` sums: so many that each is ready again when its turn comes, and that registers hold them.
 */
#define BARE_LOOP(name, count, features, type, zero, instruction)                                  \
    __attribute__((target(features))) static void name(void)                                       \
    {                                                                                              \
        type sums[count], a = zero, b = zero;                                                      \
        UNROLL for (int i = 0; i < (count); i++)                                                   \
        {                                                                                          \
            sums[i] = zero;                                                                        \
            KEEP(sums[i]);                                                                         \
        }                                                                                          \
        for (int n = 0; n < STEPS; n++) {                                                          \
            UNROLL for (int i = 0; i < (count); i++) __asm__ volatile(                             \
                instruction " %1, %2, %0" : "+v"(sums[i]) : "v"(a), "v"(b));                       \
        }                                                                                          \
    }

BARE_LOOP(f32_512, 24, "avx512f", __m512, _mm512_setzero_ps(), "vfmadd231ps")
BARE_LOOP(f32_256, 12, "avx2,fma", __m256, _mm256_setzero_ps(), "vfmadd231ps")
BARE_LOOP(bf16_512, 24, "avx512f", __m512, _mm512_setzero_ps(), "vdpbf16ps")
BARE_LOOP(int8_512, 24, "avx512f", __m512i, _mm512_setzero_si512(), "vpdpbusd")

static const struct loop {
    const char *precision, *isa;
    void (*run)(void);
    double operations; /* of one pass of the loop */
} loops[] = {
    {"f32", "avx512", f32_512, 24 * 32},
    {"f32", "avx2", f32_256, 12 * 16},
    {"bf16", "avx512", bf16_512, 24 * 64},
    {"int8", "avx512", int8_512, 24 * 128},
};

static int runs_here(const struct loop *loop)
{
    if (loop->run == f32_256)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!__builtin_cpu_supports("avx512f"))
        return 0;
    if (loop->run == bf16_512)
        return __builtin_cpu_supports("avx512bf16");
    return loop->run != int8_512 || __builtin_cpu_supports("avx512vnni");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct worker {
    pthread_t thread;
    const struct loop *loop;
    double rate; /* 10^9 operations a second */
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        worker->loop->run();
        double took = now() - start;
        best = took < best ? took : best;
    }
    worker->rate = 1e-9 * worker->loop->operations * STEPS / best;
    return NULL;
}

/* The mean over the threads. */
static double measure(const struct loop *loop, int threads)
{
    static struct worker workers[MAX_THREADS];
    double sum = 0;

    for (int i = 0; i < threads; i++) {
        workers[i].loop = loop;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            exit(2);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        sum += workers[i].rate;
    }
    return sum / threads;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    const char *separator = "";

    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "bench_limit: from 1 to %d threads\n", MAX_THREADS);
        return 2;
    }
    printf("{");
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        if (!runs_here(&loops[i]))
            continue;
        printf("%s\"%s %s\": %.1f", separator, loops[i].precision, loops[i].isa,
               measure(&loops[i], threads));
        separator = ", ";
    }
    printf("}\n");
    return 0;
}
#else
int main(void)
{
    printf("{}\n");
    return 0;
}
#endif
