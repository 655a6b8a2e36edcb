/* Stands in for gcc's omp.h where clang compiles the glue and has none of its own (the headers are
 * tied to their compilers): the names that FAISS's headers and the glue use, as libgomp has them.
 * Nothing here makes or touches a lock; FAISS's headers only mention them.
 */
#ifndef SBERT_INDEX_FAISS_CLANG_OMP_H
#define SBERT_INDEX_FAISS_CLANG_OMP_H

typedef struct {
    unsigned char opaque[4];
} omp_lock_t;

#ifdef __cplusplus
extern "C" {
#endif

void omp_set_num_threads(int threads);
int omp_get_max_threads(void);

#ifdef __cplusplus
}
#endif

#endif
