/* Points in lanes: a `vec` holds one number of as many points as a register of this machine takes, a `pack` those of one block. Blocks
 * are evaluated in groups: an `fvec` holds single precision numbers of all points of a group, which fill a register too. */

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 8
#define WIDTH 2 /* vectors in a pack: as many as keep the sums below in registers */
#define GROUP 1
#elif defined(__AVX__)
#include <immintrin.h>
#define LANES 4
#define WIDTH 1
#define GROUP 2
#else
#define LANES 2
#define WIDTH 1
#define GROUP 2
#endif
#define POINTS (LANES * WIDTH)
#if WIDTH == 2
#define SECOND(statement) statement
#else
#define SECOND(statement)
#endif
#define FOR_VECTORS for (int v = 0; v < WIDTH; v++)
#define INLINE static inline __attribute__((always_inline))

typedef double vec __attribute__((vector_size(8 * LANES)));
typedef struct { vec v[WIDTH]; } pack;
typedef float fvec __attribute__((vector_size(4 * POINTS * GROUP)));

/* 1/√q to the last bits: an estimate of 14 bits and one step of fourth order, or of 12 bits and one of fifth order, where the machine has
 * the estimate. A square root and a division would take longer than all other operations of a unit together. */
INLINE vec inverse_root(vec q) {
#if defined(__AVX512F__)
    vec y = (vec)_mm512_rsqrt14_pd((__m512d)q);
    vec e = 1.0 - (q * y) * y;
    return y + (y * e) * (0.5 + e * (0.375 + e * 0.3125));
#elif defined(__AVX__)
    vec y = (vec)_mm256_cvtps_pd(_mm_rsqrt_ps(_mm256_cvtpd_ps((__m256d)q)));
    vec e = 1.0 - (q * y) * y;
    return y + (y * e) * (0.5 + e * (0.375 + e * (0.3125 + e * 0.2734375)));
#else
    vec y;
    for (int l = 0; l < LANES; l++) y[l] = 1.0 / sqrt(q[l]);
    return y;
#endif
}

INLINE fvec inverse_root_single(fvec q) {
#if defined(__AVX512F__)
    fvec y = (fvec)_mm512_rsqrt14_ps((__m512)q);
    fvec e = 1.0f - (q * y) * y;
    return y + (y * e) * (0.5f + e * 0.375f);
#elif defined(__AVX__)
    fvec y = (fvec)_mm256_rsqrt_ps((__m256)q);
    fvec e = 1.0f - (q * y) * y;
    return y + (y * e) * (0.5f + e * 0.375f);
#else
    fvec y;
    for (int l = 0; l < POINTS * GROUP; l++) y[l] = 1.0f / sqrtf(q[l]);
    return y;
#endif
}

INLINE pack broadcast(double a) {
    pack p;
    FOR_VECTORS p.v[v] = a - (vec){0};
    return p;
}

INLINE double get(const pack *p, int point) { return p->v[point / LANES][point % LANES]; }
INLINE void set(pack *p, int point, double a) { p->v[point / LANES][point % LANES] = a; }
