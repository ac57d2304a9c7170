/* One point at a time in plain C99: what stands for the lanes of the vectorised kernel. */

#include <math.h>
#include <stddef.h>
#include <string.h>
#define LANES 1
#define WIDTH 1
#define POINTS 1
#define GROUP 1
#define SECOND(statement)
#define FOR_VECTORS for (int v = 0; v < 1; v++)
#define INLINE static inline
#ifndef __GNUC__
#define __attribute__(what)
#endif

typedef double vec;
typedef struct { vec v[1]; } pack;

static inline vec inverse_root(vec q) { return 1.0 / sqrt(q); }

static inline pack broadcast(double a) {
    pack p;
    p.v[0] = a;
    return p;
}

static inline double get(const pack *p, int point) { return p->v[point]; }
static inline void set(pack *p, int point, double a) { p->v[point] = a; }
