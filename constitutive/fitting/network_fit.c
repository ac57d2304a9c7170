/* A series + network fitted by Levenberg–Marquardt: residual, Jacobian, normal equations and steps.

   The same algorithm as levenberg_marquardt.py on the residual of series_network.py. Samples lie in lanes, so that the sums over the group
   need no reduction; a column of the Jacobian is contiguous, so that JᵀJ and the Cholesky factor are dot products of contiguous rows.
   Nothing is allocated, no library is called, no thread is started: results do not depend on what else runs. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#define LANES 4
#ifndef INPUTS
#define INPUTS 6 /* components of a point and of its gradient */
#endif
#define SQUARE (INPUTS * INPUTS)
#define OWN (INPUTS + 2) /* parameters of a channel: direction, bias, amplitude */
#define CHUNK 240 /* rows of the Jacobian that the products take at a time: a few columns stay in the nearest cache */
#define INLINE static inline __attribute__((always_inline))

typedef double vec __attribute__((vector_size(8 * LANES)));

typedef struct {
    long n, blocks, M, g, H, K, k, kp;
    vec *images, *norm, *J, *rest, *trial_rest, *target, *rise, *bend;
    double *turned, *total, *A, *L, *theta, *trial, *step, *slope;
    double *end;
} layout;

INLINE double sum(vec a) { return (a[0] + a[1]) + (a[2] + a[3]); }
INLINE double *aligned(double *p) { return (double *)(((uintptr_t)p + 63) & ~(uintptr_t)63); }

static double *take(double **next, long count) {
    double *p = aligned(*next);
    *next = p + count;
    return p;
}

static layout arranged(const network_fit *f, double *work) {
    layout a;
    a.n = f->samples, a.g = f->rotations, a.H = f->channels, a.K = f->coefficients;
    a.blocks = (a.n + LANES - 1) / LANES, a.M = INPUTS * a.blocks; /* M counts vectors */
    a.k = OWN * a.H + a.K, a.kp = (a.k + 3) / 4 * 4;
    double *next = work;
    a.images = (vec *)take(&next, a.blocks * a.g * INPUTS * LANES);
    a.norm = (vec *)take(&next, f->norm ? a.blocks * SQUARE * LANES : 0);
    a.J = (vec *)take(&next, a.kp * a.M * LANES);
    a.rest = (vec *)take(&next, a.M * LANES);
    a.trial_rest = (vec *)take(&next, a.M * LANES);
    a.target = (vec *)take(&next, a.M * LANES);
    a.rise = (vec *)take(&next, a.g * LANES);
    a.bend = (vec *)take(&next, a.g * LANES);
    a.turned = take(&next, a.H * a.g * INPUTS);
    a.total = take(&next, a.H * INPUTS);
    a.A = take(&next, a.kp * a.kp);
    a.L = take(&next, a.kp * a.kp);
    a.theta = take(&next, a.kp);
    a.trial = take(&next, a.kp);
    a.step = take(&next, a.kp);
    a.slope = take(&next, a.kp);
    a.end = next;
    return a;
}

/* Doubles of working memory that a fit needs. */
long network_fit_work(const network_fit *f) { return (long)(arranged(f, (double *)64).end - (double *)64) + 8; }

/* Row INPUTS s + i of the caller stands in vector INPUTS (s / LANES) + i, lane s % LANES. */
#define AT(array, s, i) (array)[INPUTS * ((s) / LANES) + (i)][(s) % LANES]

static void load(const network_fit *f, layout *a) {
    memset(a->images, 0, sizeof(vec) * a->blocks * a->g * INPUTS);
    memset(a->target, 0, sizeof(vec) * a->M);
    memset(a->J, 0, sizeof(vec) * a->kp * a->M);
    memset(a->A, 0, sizeof(double) * a->kp * a->kp);
    if (f->norm) memset(a->norm, 0, sizeof(vec) * a->blocks * SQUARE);
    for (long s = 0; s < a->n; s++) {
        for (long g = 0; g < a->g; g++)
            for (long i = 0; i < INPUTS; i++) {
                double x = 0;
                for (long j = 0; j < INPUTS; j++) x += f->group[SQUARE * g + INPUTS * i + j] * f->points[INPUTS * s + j];
                a->images[INPUTS * (a->g * (s / LANES) + g) + i][s % LANES] = x;
            }
        for (long i = 0; i < INPUTS; i++) {
            AT(a->target, s, i) = f->target[INPUTS * s + i];
            for (long c = 0; c < a->K; c++) AT(a->J + (OWN * a->H + c) * a->M, s, i) = f->columns[(INPUTS * s + i) * a->K + c];
        }
        for (long e = 0; f->norm && e < SQUARE; e++) a->norm[SQUARE * (s / LANES) + e][s % LANES] = f->norm[SQUARE * s + e];
    }
}

/* Directions turned by every rotation: (D_gᵀ w)_i, and their sum over the group. */
static void turn(const network_fit *f, layout *a, const double *theta) {
    for (long h = 0; h < a->H; h++) {
        const double *w = theta + INPUTS * h;
        double *total = a->total + INPUTS * h;
        for (long i = 0; i < INPUTS; i++) total[i] = 0;
        for (long g = 0; g < a->g; g++)
            for (long i = 0; i < INPUTS; i++) {
                double t = 0;
                for (long j = 0; j < INPUTS; j++) t += f->group[SQUARE * g + INPUTS * j + i] * w[j];
                a->turned[INPUTS * (a->g * h + g) + i] = t;
                total[i] += t;
            }
    }
}

/* 1/√q to the last bits: an estimate of 12 bits and one step of fifth order, where the machine has the estimate. */
INLINE vec inverse_root(vec q) {
#if defined(__AVX__)
    vec y = (vec)_mm256_cvtps_pd(_mm_rsqrt_ps(_mm256_cvtpd_ps((__m256d)q)));
    vec e = 1.0 - (q * y) * y;
    return y + (y * e) * (0.5 + e * (0.375 + e * (0.3125 + e * 0.2734375)));
#else
    vec y;
    for (int l = 0; l < LANES; l++) y[l] = 1.0 / sqrt(q[l]);
    return y;
#endif
}

/* T times the gradient at one point. */
INLINE void normed(const vec *T, vec *s) {
    vec t[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        t[i] = T[INPUTS * i] * s[0];
        for (int j = 1; j < INPUTS; j++) t[i] += T[INPUTS * i + j] * s[j];
    }
    for (int i = 0; i < INPUTS; i++) s[i] = t[i];
}

/* φ'(z) − φ'(b) less the constant half, and φ''(z), for every rotation of one channel and one block of samples. */
INLINE void activate(const layout *a, const vec *x, const double *w, double b, double at_rest, int with_bend) {
    for (long g = 0; g < a->g; g++, x += INPUTS) {
        vec z = b + w[0] * x[0];
        for (int j = 1; j < INPUTS; j++) z += w[j] * x[j];
        vec root = inverse_root(z * z + 4.0);
        a->rise[g] = 0.5 * z * root - at_rest;
        if (with_bend) a->bend[g] = 2.0 * root * root * root;
    }
}

static void residual(const network_fit *f, layout *a, const double *theta, vec *rest) {
    turn(f, a, theta);
    const double *b = theta + INPUTS * a->H, *amplitude = theta + (INPUTS + 1) * a->H, *c = theta + OWN * a->H;
    for (long block = 0; block < a->blocks; block++) {
        vec s[INPUTS] = {0};
        for (long h = 0; h < a->H; h++) {
            activate(a, a->images + INPUTS * a->g * block, theta + INPUTS * h, b[h], 0.5 * b[h] / sqrt(b[h] * b[h] + 4.0), 0);
            const double *t = a->turned + INPUTS * a->g * h, share = amplitude[h] / (double)a->g;
            vec own[INPUTS] = {0};
            for (long g = 0; g < a->g; g++, t += INPUTS)
                for (int i = 0; i < INPUTS; i++) own[i] += a->rise[g] * t[i];
            for (int i = 0; i < INPUTS; i++) s[i] += share * own[i];
        }
        if (f->norm) normed(a->norm + SQUARE * block, s);
        for (int i = 0; i < INPUTS; i++) rest[INPUTS * block + i] = s[i] - a->target[INPUTS * block + i];
    }
    for (long p = 0; p < a->K; p++) {
        const vec *column = a->J + (OWN * a->H + p) * a->M;
        for (long m = 0; m < a->M; m++) rest[m] += c[p] * column[m];
    }
}

static void jacobian(const network_fit *f, layout *a, const double *theta) {
    turn(f, a, theta);
    for (long block = 0; block < a->blocks; block++)
        for (long h = 0; h < a->H; h++) {
            double b = theta[INPUTS * a->H + h], share = 1.0 / (double)a->g, weight = theta[(INPUTS + 1) * a->H + h] * share;
            double root = 1.0 / sqrt(b * b + 4.0), bend_at_rest = 2.0 * root * root * root;
            const vec *images = a->images + INPUTS * a->g * block;
            activate(a, images, theta + INPUTS * h, b, 0.5 * b * root, 1);
            vec by[OWN][INPUTS]; /* derivatives by w (INPUTS), b, a */
            for (int i = 0; i < INPUTS; i++) {
                const vec *x = images;
                const double *t = a->turned + INPUTS * a->g * h + i, *D = f->group + i;
                vec own[INPUTS] = {0}, bias = {0}, amplitude = {0};
                for (long g = 0; g < a->g; g++, x += INPUTS, t += INPUTS, D += SQUARE) {
                    vec rise = a->rise[g], bent = a->bend[g] * *t;
                    amplitude += rise * *t;
                    bias += bent;
#pragma GCC unroll 16
                    for (int j = 0; j < INPUTS; j++) own[j] += bent * x[j] + rise * D[INPUTS * j];
                }
#pragma GCC unroll 16
                for (int j = 0; j < INPUTS; j++) by[j][i] = weight * own[j];
                by[INPUTS][i] = weight * (bias - bend_at_rest * a->total[INPUTS * h + i]);
                by[INPUTS + 1][i] = share * amplitude;
            }
            for (int p = 0; p < OWN; p++) {
                long column = p < INPUTS ? INPUTS * h + p : p * a->H + h;
                if (f->norm) normed(a->norm + SQUARE * block, by[p]);
                for (int i = 0; i < INPUTS; i++) a->J[column * a->M + INPUTS * block + i] = by[p][i];
            }
        }
    for (long s = a->n; s < LANES * a->blocks; s++) /* no sample: no row */
        for (long p = 0; p < OWN * a->H; p++)
            for (int i = 0; i < INPUTS; i++) AT(a->J + p * a->M, s, i) = 0;
}

/* Dot products of four rows with two, each of `count` vectors; row p of u stands at u + p·stride. */
INLINE void dots(const vec *u, const vec *v, long stride, long count, double out[4][2]) {
    const vec *u1 = u + stride, *u2 = u + 2 * stride, *u3 = u + 3 * stride, *v1 = v + stride;
    vec a0 = {0}, a1 = {0}, b0 = {0}, b1 = {0}, c0 = {0}, c1 = {0}, d0 = {0}, d1 = {0};
    for (long m = 0; m < count; m++) {
        vec p = v[m], q = v1[m];
        a0 += u[m] * p, a1 += u[m] * q;
        b0 += u1[m] * p, b1 += u1[m] * q;
        c0 += u2[m] * p, c1 += u2[m] * q;
        d0 += u3[m] * p, d1 += u3[m] * q;
    }
    out[0][0] = sum(a0), out[0][1] = sum(a1), out[1][0] = sum(b0), out[1][1] = sum(b1);
    out[2][0] = sum(c0), out[2][1] = sum(c1), out[3][0] = sum(d0), out[3][1] = sum(d1);
}

/* Lower triangle of JᵀJ for the columns from `first` on (a multiple of four); columns are taken against all before them. */
static void add_products(layout *a, long from, long to, long last) {
    for (long start = 0; start < a->M; start += CHUNK / LANES) {
        long count = start + CHUNK / LANES < a->M ? CHUNK / LANES : a->M - start;
        for (long p = from; p < to; p += 4)
            for (long q = 0; q < (p + 4 < last ? p + 4 : last); q += 2) {
                double out[4][2];
                dots(a->J + p * a->M + start, a->J + q * a->M + start, a->M, count, out);
                for (int i = 0; i < 4; i++) a->A[(p + i) * a->kp + q] += out[i][0], a->A[(p + i) * a->kp + q + 1] += out[i][1];
            }
    }
}

/* The first column, a multiple of four, from which on all are of the series. */
INLINE long series_start(const layout *a) { return (OWN * a->H + 3) / 4 * 4; }

/* Products among the columns of the series, which never change. */
static void series_products(layout *a) {
    long first = series_start(a);
    for (long p = first; p < a->kp; p += 4)
        for (long q = first; q < p + 4; q += 2) {
            double out[4][2];
            dots(a->J + p * a->M, a->J + q * a->M, a->M, a->M, out);
            for (int i = 0; i < 4; i++) a->A[(p + i) * a->kp + q] = out[i][0], a->A[(p + i) * a->kp + q + 1] = out[i][1];
        }
}

/* All other products: the network's columns with each other, and the series' with them. */
static void network_products(layout *a) {
    long first = series_start(a);
    for (long p = 0; p < a->kp; p++) memset(a->A + p * a->kp, 0, sizeof(double) * first);
    add_products(a, 0, a->kp, first);
}

/* Cholesky factor of A with `added` on its diagonal, tile by tile; 0 where a pivot is not positive. */
static int factorise(layout *a, const double *ridge, double damping) {
    long n = a->kp;
    for (long j = 0; j < n; j += 4)
        for (long i = j; i < n; i += 4) {
            double t[4][4], part[4][2];
            for (int half = 0; half < 4; half += 2) {
                dots((vec *)(a->L + i * n), (vec *)(a->L + (j + half) * n), n / LANES, j / LANES, part);
                for (int p = 0; p < 4; p++) t[p][half] = part[p][0], t[p][half + 1] = part[p][1];
            }
            for (int p = 0; p < 4; p++)
                for (int q = 0; q < 4; q++) t[p][q] = a->A[(i + p) * n + j + q] - t[p][q];
            if (i == j)
                for (int p = 0; p < 4; p++) {
                    t[p][p] += j + p < a->k ? ridge[j + p] + damping : 1.0;
                    for (int q = 0; q <= p; q++) {
                        double rest = t[p][q];
                        for (int l = 0; l < q; l++) rest -= t[p][l] * t[q][l];
                        if (p == q && !(rest > 0)) return 0;
                        t[p][q] = p == q ? sqrt(rest) : rest / t[q][q];
                    }
                    for (int q = p + 1; q < 4; q++) t[p][q] = 0;
                }
            else
                for (int q = 0; q < 4; q++) {
                    const double *pivot = a->L + (j + q) * n + j;
                    for (int p = 0; p < 4; p++) {
                        for (int l = 0; l < q; l++) t[p][q] -= t[p][l] * pivot[l];
                        t[p][q] /= pivot[q];
                    }
                }
            for (int p = 0; p < 4; p++) memcpy(a->L + (i + p) * n + j, t[p], sizeof t[p]);
        }
    return 1;
}

/* step = (L Lᵀ)⁻¹ slope. */
static void solve(layout *a) {
    long n = a->kp;
    double *y = a->step;
    for (long i = 0; i < n; i++) {
        const double *row = a->L + i * n;
        vec part = {0};
        long whole = i / LANES;
        for (long l = 0; l < whole; l++) part += ((const vec *)row)[l] * ((const vec *)y)[l];
        double rest = a->slope[i] - sum(part);
        for (long l = whole * LANES; l < i; l++) rest -= row[l] * y[l];
        y[i] = rest / row[i];
    }
    for (long i = n - 1; i >= 0; i--) {
        const double *row = a->L + i * n;
        double x = y[i] /= row[i];
        for (long l = 0; l < i; l++) y[l] -= x * row[l];
    }
}

static double objective(const network_fit *f, const layout *a, const vec *rest, const double *theta) {
    vec squares = {0};
    for (long m = 0; m < a->M; m++) squares += rest[m] * rest[m];
    double value = sum(squares);
    for (long p = 0; p < a->k; p++) value += f->ridge[p] * theta[p] * theta[p];
    return value;
}

/* Minimise from the given parameters. */
void network_fit_minimise(network_fit *f) {
    layout own = arranged(f, f->work), *a = &own;
    load(f, a);
    series_products(a);
    memset(a->theta, 0, sizeof(double) * a->kp);
    memcpy(a->theta, f->parameters, sizeof(double) * a->k);
    memset(a->trial, 0, sizeof(double) * a->kp);
    memset(a->slope, 0, sizeof(double) * a->kp);
    residual(f, a, a->theta, a->rest);
    double value = objective(f, a, a->rest, a->theta), damping = f->first_damping, growth = 2.0;
    long idle = 0;
    f->taken = f->converged = 0;
    while (f->taken < f->steps && !f->converged) {
        jacobian(f, a, a->theta);
        network_products(a);
        double mean = 0, new = value;
        for (long p = 0; p < a->k; p++) {
            vec part = {0};
            for (long m = 0; m < a->M; m++) part += a->J[p * a->M + m] * a->rest[m];
            a->slope[p] = sum(part) + f->ridge[p] * a->theta[p];
            mean += a->A[p * a->kp + p];
        }
        mean /= (double)a->k;
        long attempt = 0;
        for (; attempt < f->attempts; attempt++, damping *= growth, growth *= 2) {
            if (!factorise(a, f->ridge, damping * mean)) continue;
            solve(a);
            for (long p = 0; p < a->k; p++) a->trial[p] = a->theta[p] - a->step[p];
            residual(f, a, a->trial, a->trial_rest);
            new = objective(f, a, a->trial_rest, a->trial);
            if (new < value) break;
        }
        if (attempt == f->attempts) {
            f->converged = 1;
            break;
        }
        double predicted = 0;
        for (long p = 0; p < a->k; p++) predicted += a->step[p] * (damping * mean * a->step[p] + a->slope[p]);
        double excess = 2 * (value - new) / predicted - 1, factor = 1 - excess * excess * excess;
        damping *= factor > 1.0 / 3 ? factor : 1.0 / 3;
        damping = damping > f->least_damping ? damping : f->least_damping;
        growth = 2;
        idle = new > (1 - f->small) * value ? idle + 1 : 0;
        double *other = a->theta;
        a->theta = a->trial, a->trial = other;
        vec *rest = a->rest;
        a->rest = a->trial_rest, a->trial_rest = rest;
        value = new;
        f->taken++;
        f->converged = idle >= f->patience;
    }
    memcpy(f->parameters, a->theta, sizeof(double) * a->k);
    f->objective = value;
}

/* Residual (samples, INPUTS) and Jacobian (samples, INPUTS, parameters) at the given parameters. */
void network_fit_linearise(const network_fit *f, double *rest, double *slopes) {
    layout own = arranged(f, f->work), *a = &own;
    load(f, a);
    residual(f, a, f->parameters, a->rest);
    jacobian(f, a, f->parameters);
    for (long s = 0; s < a->n; s++)
        for (long i = 0; i < INPUTS; i++) {
            rest[INPUTS * s + i] = AT(a->rest, s, i);
            for (long p = 0; p < a->k; p++) slopes[(INPUTS * s + i) * a->k + p] = AT(a->J + p * a->M, s, i);
        }
}
