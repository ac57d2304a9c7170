/* Laws of a strain, a vector (field or polarisation) and scalars: rows of lab states to lanes and back, orientation, energy of free space.
 *
 * A state holds 6 strains (Mandel), 3 field components where ELECTRIC, 3 of the polarisation where POLAR, and SCALARS numbers (temperature,
 * concentration); the law 6, 3 where LAW_VECTOR, and LAW_SCALARS. The vector is the polarisation where LAW_POLAR, else the field; the state
 * has it where VECTOR. Variables of the law that the state lacks are zero, and those of the state that the law lacks do nothing; scalar i of
 * the state is scalar SCALAR[i] of the law, or none where this is negative. */

enum { STRAINS = 6, VECTOR = LAW_VECTOR && (LAW_POLAR ? POLAR : ELECTRIC), PLACE = 6 + 3 * (LAW_POLAR && ELECTRIC) };
enum { SCALARS_AT = 6 + 3 * ELECTRIC + 3 * POLAR, LAW_SCALARS_AT = 6 + 3 * LAW_VECTOR };
enum { WIDTH_STATE = SCALARS_AT + SCALARS, WIDTH_LAW = LAW_SCALARS_AT + LAW_SCALARS };
enum { PACKED_STATE = WIDTH_STATE * (WIDTH_STATE + 1) / 2, PACKED_LAW = WIDTH_LAW * (WIDTH_LAW + 1) / 2 };
enum { PARTIAL = WIDTH_STATE > 6 + 3 * VECTOR + LINKED_SCALARS };
enum { MAP_STRAIN = 0, MAP_VECTOR = 36, MAP_REST = 45, MAP_WEIGHT = 51, MAP_SIZE = 52 };

static const int FIRST[6] = {0, 1, 2, 1, 0, 0}, OTHER[6] = {0, 1, 2, 2, 2, 1};
static const double ROOT2 = 0x1.6a09e667f3bcdp+0;

INLINE int entry(int size, int i, int j) { return i <= j ? i * size - i * (i - 1) / 2 + j - i : j * size - j * (j - 1) / 2 + i - j; }

INLINE void load(const double *rows, long size, long step, long count, pack *out) {
    for (int p = 0; p < POINTS; p++) {
        const double *row = rows + (p < count ? p : count - 1) * step;
        for (long i = 0; i < size; i++) set(&out[i], p, row[i]);
    }
}

/* out_i = Σ_j A_ij in_j of a square block. */
INLINE void times_block(const pack *A, int n, const pack *in, pack *out) {
    for (int i = 0; i < n; i++) FOR_VECTORS {
        vec sum = A[n * i].v[v] * in[0].v[v];
        for (int j = 1; j < n; j++) sum += A[n * i + j].v[v] * in[j].v[v];
        out[i].v[v] = sum;
    }
}

/* out_j = w Σ_i A_ij in_i. */
INLINE void back_block(const pack *A, pack w, int n, const pack *in, pack *out) {
    for (int j = 0; j < n; j++) FOR_VECTORS {
        vec sum = A[j].v[v] * in[0].v[v];
        for (int i = 1; i < n; i++) sum += A[n * i + j].v[v] * in[i].v[v];
        out[j].v[v] = w.v[v] * sum;
    }
}

/* out = w Aᵀ h B of the block of rows of A and columns of B; `same`: only its upper triangle. */
INLINE void back_matrix(const pack *A, int n, int a, int ao, const pack *B, int m, int b, int bo, pack w, int same, const pack *h, pack *out) {
    for (int j = 0; j < m; j++) {
        pack column[6];
        for (int i = 0; i < n; i++) FOR_VECTORS {
            vec sum = h[entry(WIDTH_LAW, a + i, b)].v[v] * B[j].v[v];
            for (int k = 1; k < m; k++) sum += h[entry(WIDTH_LAW, a + i, b + k)].v[v] * B[m * k + j].v[v];
            column[i].v[v] = w.v[v] * sum;
        }
        for (int i = 0; i < (same ? j + 1 : n); i++) FOR_VECTORS {
            vec sum = A[i].v[v] * column[0].v[v];
            for (int k = 1; k < n; k++) sum += A[n * k + i].v[v] * column[k].v[v];
            out[entry(WIDTH_STATE, ao + i, bo + j)].v[v] = sum;
        }
    }
}

/* −½ ε₀ J E₀·C⁻¹E₀ and its derivatives, added; `vacuum`: ε₀ in the unit of the results. */
INLINE void add_free_space(double vacuum, int finite, int want, const pack *x, pack *psi, pack *g, pack *h) {
#if ELECTRIC
    FOR_VECTORS {
        vec e[3] = {x[6].v[v], x[7].v[v], x[8].v[v]};
        if (!finite) {
            if (want & WANT_ENERGY) psi->v[v] -= 0.5 * vacuum * (e[0] * e[0] + e[1] * e[1] + e[2] * e[2]);
            for (int i = 0; i < 3; i++) {
                if (want & WANT_STRESS) g[6 + i].v[v] -= vacuum * e[i];
                if (want & WANT_TANGENT) h[entry(WIDTH_STATE, 6 + i, 6 + i)].v[v] -= vacuum;
            }
            continue;
        }
        vec C[3][3], K[3][3], a[3], k[6], m[6];
        for (int c = 0; c < 6; c++)
            C[FIRST[c]][OTHER[c]] = C[OTHER[c]][FIRST[c]] = c < 3 ? 1.0 + 2.0 * x[c].v[v] : ROOT2 * x[c].v[v];
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                const int i1 = (i + 1) % 3, i2 = (i + 2) % 3, j1 = (j + 1) % 3, j2 = (j + 2) % 3;
                K[i][j] = C[i1][j1] * C[i2][j2] - C[i1][j2] * C[i2][j1];
            }
        const vec det = C[0][0] * K[0][0] + C[0][1] * K[0][1] + C[0][2] * K[0][2], root = inverse_root(det), J = det * root;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) K[i][j] *= root * root;
        for (int i = 0; i < 3; i++) a[i] = K[i][0] * e[0] + K[i][1] * e[1] + K[i][2] * e[2];
        const vec q = e[0] * a[0] + e[1] * a[1] + e[2] * a[2], scale = vacuum * J;
        for (int c = 0; c < 6; c++) {
            const double r = c < 3 ? 1.0 : ROOT2;
            k[c] = r * K[FIRST[c]][OTHER[c]], m[c] = r * a[FIRST[c]] * a[OTHER[c]];
        }
        if (want & WANT_ENERGY) psi->v[v] -= 0.5 * scale * q;
        if (want & WANT_STRESS) {
            for (int c = 0; c < 6; c++) g[c].v[v] += scale * (m[c] - 0.5 * q * k[c]);
            for (int i = 0; i < 3; i++) g[6 + i].v[v] -= scale * a[i];
        }
        if (!(want & WANT_TANGENT)) continue;
        for (int c = 0; c < 6; c++)
            for (int d = c; d < 6; d++) {
                const int i = FIRST[c], j = OTHER[c], n = FIRST[d], o = OTHER[d];
                const double r = (c < 3 ? 1.0 : ROOT2) * (d < 3 ? 1.0 : ROOT2);
                const vec KK = K[i][n] * K[j][o] + K[i][o] * K[j][n];
                const vec KA = K[i][n] * a[j] * a[o] + K[i][o] * a[j] * a[n] + a[i] * a[n] * K[j][o] + a[i] * a[o] * K[j][n];
                h[entry(WIDTH_STATE, c, d)].v[v] += scale * (m[c] * k[d] + k[c] * m[d] - 0.5 * q * k[c] * k[d] + r * (0.5 * q * KK - KA));
            }
        for (int i = 0; i < 3; i++) {
            for (int c = 0; c < 6; c++) {
                const double r = c < 3 ? 1.0 : ROOT2;
                const vec both = K[i][FIRST[c]] * a[OTHER[c]] + K[i][OTHER[c]] * a[FIRST[c]];
                h[entry(WIDTH_STATE, c, 6 + i)].v[v] += scale * (r * both - a[i] * k[c]);
            }
            for (int j = i; j < 3; j++) h[entry(WIDTH_STATE, 6 + i, 6 + j)].v[v] -= scale * K[i][j];
        }
    }
#else
    (void)vacuum, (void)finite, (void)want, (void)x, (void)psi, (void)g, (void)h;
#endif
}

/* −E₀·P₀ and its derivatives, added; `unit`: of the results. */
INLINE void add_work(double unit, int want, const pack *x, pack *psi, pack *g, pack *h) {
#if ELECTRIC && POLAR
    for (int i = 0; i < 3; i++) FOR_VECTORS {
        if (want & WANT_ENERGY) psi->v[v] -= unit * x[6 + i].v[v] * x[9 + i].v[v];
        if (want & WANT_STRESS) g[6 + i].v[v] -= unit * x[9 + i].v[v], g[9 + i].v[v] -= unit * x[6 + i].v[v];
        if (want & WANT_TANGENT) h[entry(WIDTH_STATE, 6 + i, 9 + i)].v[v] -= unit;
    }
#else
    (void)unit, (void)want, (void)x, (void)psi, (void)g, (void)h;
#endif
}

static __attribute__((noinline)) void law(const double *numbers, int want, const pack *y, pack *psi, pack *s, pack *c) {
    if ((want & WANT_STRESS) && (want & WANT_TANGENT)) {
        polynomial(numbers, WANT_STRESS | WANT_TANGENT, y, 0, s, c);
        layer(numbers, WANT_STRESS | WANT_TANGENT, y, 0, s, c);
    } else if (want & WANT_STRESS) {
        polynomial(numbers, WANT_STRESS, y, 0, s, 0);
        layer(numbers, WANT_STRESS, y, 0, s, 0);
    } else if (want & WANT_TANGENT) {
        polynomial(numbers, WANT_TANGENT, y, 0, 0, c);
        layer(numbers, WANT_TANGENT, y, 0, 0, c);
    }
    if (want & WANT_ENERGY) {
        polynomial(numbers, WANT_ENERGY, y, psi, 0, 0);
        layer(numbers, WANT_ENERGY, y, psi, 0, 0);
    }
}

static void evaluate_coupled(const coupled_batch *b) {
    pack map[MAP_SIZE];
    const int want = (b->gradient ? WANT_STRESS : 0) | (b->hessian ? WANT_TANGENT : 0) | (b->energy ? WANT_ENERGY : 0);
    const pack *strain = map + MAP_STRAIN, *turn = map + MAP_VECTOR;
    if (!b->map_step) load(b->map, MAP_SIZE, 0, 1, map);
    for (long first = 0; first < b->count; first += POINTS) {
        const long left = b->count - first, count = left < POINTS ? left : POINTS;
        pack x[WIDTH_STATE], d[6], y[WIDTH_LAW], psi = broadcast(0.0), s[WIDTH_LAW], c[PACKED_LAW], g[WIDTH_STATE], h[PACKED_STATE];
        load(b->state + first * b->state_step, WIDTH_STATE, b->state_step, count, x);
        if (b->map_step) load(b->map + first * b->map_step, MAP_SIZE, b->map_step, count, map);
        const pack w = map[MAP_WEIGHT];
        for (int i = 0; i < 6; i++) FOR_VECTORS d[i].v[v] = x[i].v[v] - map[MAP_REST + i].v[v];
        for (int i = 0; i < WIDTH_LAW; i++) y[i] = broadcast(0.0);
        times_block(strain, 6, d, y);
        if (VECTOR) times_block(turn, 3, x + PLACE, y + 6);
        for (int i = 0; i < SCALARS; i++)
            if (SCALAR[i] >= 0) y[LAW_SCALARS_AT + SCALAR[i]] = x[SCALARS_AT + i];
        law(b->numbers, want, y, &psi, s, c);
        if (want & WANT_ENERGY) FOR_VECTORS psi.v[v] *= w.v[v];
        if (want & WANT_STRESS) {
            for (int i = 6; i < WIDTH_STATE; i++) g[i] = broadcast(0.0);
            back_block(strain, w, 6, s, g);
            if (VECTOR) back_block(turn, w, 3, s + 6, g + PLACE);
            for (int i = 0; i < SCALARS; i++)
                if (SCALAR[i] >= 0) FOR_VECTORS g[SCALARS_AT + i].v[v] = w.v[v] * s[LAW_SCALARS_AT + SCALAR[i]].v[v];
        }
        if (want & WANT_TANGENT) {
            const pack one = broadcast(1.0);
            if (PARTIAL) for (int i = 0; i < PACKED_STATE; i++) h[i] = broadcast(0.0);
            back_matrix(strain, 6, 0, 0, strain, 6, 0, 0, w, 1, c, h);
            if (VECTOR) {
                back_matrix(strain, 6, 0, 0, turn, 3, 6, PLACE, w, 0, c, h);
                back_matrix(turn, 3, 6, PLACE, turn, 3, 6, PLACE, w, 1, c, h);
            }
            for (int k = 0; k < SCALARS; k++) {
                if (SCALAR[k] < 0) continue;
                const int l = LAW_SCALARS_AT + SCALAR[k], o = SCALARS_AT + k;
                back_matrix(strain, 6, 0, 0, &one, 1, l, o, w, 0, c, h);
                if (VECTOR) back_matrix(turn, 3, 6, PLACE, &one, 1, l, o, w, 0, c, h);
                for (int i = 0; i <= k; i++)
                    if (SCALAR[i] >= 0) back_matrix(&one, 1, LAW_SCALARS_AT + SCALAR[i], SCALARS_AT + i, &one, 1, l, o, w, 0, c, h);
            }
        }
        if (b->vacuum != 0.0) add_free_space(b->vacuum, b->finite, want, x, &psi, g, h);
        if (b->work != 0.0) add_work(b->work, want, x, &psi, g, h);
        for (int p = 0; p < count; p++) {
            const long row = first + p;
            if (b->energy) b->energy[row] = get(&psi, p);
            if (b->gradient)
                for (int i = 0; i < WIDTH_STATE; i++) b->gradient[row * WIDTH_STATE + i] = get(&g[i], p);
            if (b->hessian)
                for (long i = 0; i < b->entry_count; i++) b->hessian[row * b->entry_count + i] = get(&h[b->entries[i]], p);
        }
    }
}
