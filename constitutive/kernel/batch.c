/* Batches: rows of NumPy arrays to lanes and back, orientation, units, measures of strain and stress. */

enum { STRAIN_MANDEL = 6, STRAIN_TENSOR = 9, DEFORMATION_GRADIENT = 10 };
enum { STRESS_MANDEL = 6, STRESS_SECOND = 9, STRESS_FIRST = 10 };
enum { TANGENT_PACKED = 21, TANGENT_MATRIX = 36, TANGENT_FIRST = 81 };

static const int PAIR[6][2] = {{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
static const int MANDEL[3][3] = {{0, 5, 4}, {5, 1, 3}, {4, 3, 2}};
static const int UPPER[6][6] = {{0, 1, 2, 3, 4, 5},    {1, 6, 7, 8, 9, 10},    {2, 7, 11, 12, 13, 14},
                                {3, 8, 12, 15, 16, 17}, {4, 9, 13, 16, 18, 19}, {5, 10, 14, 17, 19, 20}};
static const double ROOT2 = 0x1.6a09e667f3bcdp+0, HALF_ROOT2 = 0x1.6a09e667f3bcdp-1;

/* Rows of `size` numbers → lanes; a short last block repeats its last row. `step` 0: one row for all points. */
INLINE void load(const double *rows, long size, long step, long count, pack *out) {
    for (int p = 0; p < POINTS; p++) {
        const double *row = rows + (p < count ? p : count - 1) * step;
        for (long i = 0; i < size; i++) set(&out[i], p, row[i]);
    }
}

INLINE void store(const pack *in, long size, long count, double *rows) {
    for (int p = 0; p < count; p++)
        for (long i = 0; i < size; i++) rows[p * size + i] = get(&in[i], p);
}

/* E in Mandel components from E or from F: E = (FᵀF − 1)/2. */
INLINE void to_strain(int kind, const pack in[9], pack x[6]) {
    for (int k = 0; k < 6; k++) {
        int i = PAIR[k][0], j = PAIR[k][1];
        double shear = i == j ? 1.0 : ROOT2;
        FOR_VECTORS {
            if (kind == STRAIN_TENSOR) x[k].v[v] = 0.5 * shear * (in[3 * i + j].v[v] + in[3 * j + i].v[v]);
            else {
                vec c = in[i].v[v] * in[j].v[v] + in[3 + i].v[v] * in[3 + j].v[v] + in[6 + i].v[v] * in[6 + j].v[v];
                x[k].v[v] = 0.5 * shear * (c - (i == j ? 1.0 : 0.0));
            }
        }
    }
}

/* The crystal's strain y = A (x − x₀), and back: S = w Aᵀ s, C = w Aᵀ c A. `map` holds A (36), x₀ (6), w. */
INLINE void to_crystal(const pack map[43], const pack x[6], pack y[6]) {
    for (int i = 0; i < 6; i++) y[i] = broadcast(0.0);
    for (int j = 0; j < 6; j++) FOR_VECTORS {
        vec d = x[j].v[v] - map[36 + j].v[v];
        for (int i = 0; i < 6; i++) y[i].v[v] += map[6 * i + j].v[v] * d;
    }
}

INLINE void stress_to_lab(const pack map[43], const pack s[6], pack S[6]) {
    for (int j = 0; j < 6; j++) FOR_VECTORS {
        vec sum = map[j].v[v] * s[0].v[v];
        for (int i = 1; i < 6; i++) sum += map[6 * i + j].v[v] * s[i].v[v];
        S[j].v[v] = map[42].v[v] * sum;
    }
}

INLINE void tangent_to_lab(const pack map[43], const pack c[21], pack C[21]) {
    for (int j = 0; j < 6; j++) FOR_VECTORS {
        vec column[6];
        for (int i = 0; i < 6; i++) {
            vec sum = c[UPPER[i][0]].v[v] * map[j].v[v];
            for (int k = 1; k < 6; k++) sum += c[UPPER[i][k]].v[v] * map[6 * k + j].v[v];
            column[i] = map[42].v[v] * sum;
        }
        for (int i = 0; i <= j; i++) {
            vec sum = map[i].v[v] * column[0];
            for (int k = 1; k < 6; k++) sum += map[6 * k + i].v[v] * column[k];
            C[UPPER[i][j]].v[v] = sum;
        }
    }
}

INLINE void to_tensor(const pack S[6], pack T[9]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) FOR_VECTORS T[3 * i + j].v[v] = (i == j ? 1.0 : HALF_ROOT2) * S[MANDEL[i][j]].v[v];
}

INLINE void store_stress(int kind, const pack F[9], const pack S[6], long count, double *rows) {
    if (kind == STRESS_MANDEL) {
        store(S, 6, count, rows);
        return;
    }
    pack T[9], P[9];
    to_tensor(S, T);
    if (kind == STRESS_FIRST) {
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) FOR_VECTORS
                P[3 * i + j].v[v] = F[3 * i].v[v] * T[j].v[v] + F[3 * i + 1].v[v] * T[3 + j].v[v] + F[3 * i + 2].v[v] * T[6 + j].v[v];
    }
    store(kind == STRESS_FIRST ? P : T, 9, count, rows);
}

/* dP_iJ/dF_kL = δ_ik S_JL + F_iI F_kK C_IJKL: B_(iJ),b = Σ_I F_iI √½^(I≠J) over Mandel components, dP/dF = B C Bᵀ + δ S. */
static void store_first_tangent(const pack F[9], const pack S[6], const pack C[21], long count, double *rows) {
    pack T[9], half[9][6], out[81];
    to_tensor(S, T);
    for (int i = 0; i < 3; i++)
        for (int J = 0; J < 3; J++)
            for (int b = 0; b < 6; b++) {
                half[3 * i + J][b] = broadcast(0.0);
                for (int I = 0; I < 3; I++) FOR_VECTORS
                    half[3 * i + J][b].v[v] += (I == J ? 1.0 : HALF_ROOT2) * F[3 * i + I].v[v] * C[UPPER[MANDEL[I][J]][b]].v[v];
            }
    for (int row = 0; row < 9; row++)
        for (int k = 0; k < 3; k++)
            for (int L = 0; L < 3; L++) FOR_VECTORS {
                vec sum = (row / 3 == k ? 1.0 : 0.0) * T[3 * (row % 3) + L].v[v];
                for (int K = 0; K < 3; K++) sum += (K == L ? 1.0 : HALF_ROOT2) * F[3 * k + K].v[v] * half[row][MANDEL[K][L]].v[v];
                out[9 * row + 3 * k + L].v[v] = sum;
            }
    store(out, 81, count, rows);
}

INLINE void store_tangent(int kind, const pack F[9], const pack S[6], const pack C[21], long count, double *rows) {
    if (kind == TANGENT_PACKED) store(C, 21, count, rows);
    else if (kind == TANGENT_FIRST) store_first_tangent(F, S, C, count, rows);
    else
        for (int p = 0; p < count; p++)
            for (int i = 0; i < 6; i++)
                for (int j = 0; j < 6; j++) rows[36 * p + 6 * i + j] = get(&C[UPPER[i][j]], p);
}

/* Read the points of a block from the batch; `map`: the orientation of all points, where there is one for all. */
INLINE void prepare(const batch *b, const pack map[43], long first, block *k) {
    const long left = b->count - first;
    pack x[6];
    k->first = first, k->count = left < POINTS ? left : POINTS;
    load(b->strain + first * b->strain_step, b->strain_kind == STRAIN_MANDEL ? 6 : 9, b->strain_step, k->count, k->in);
    if (b->strain_kind == STRAIN_MANDEL) memcpy(x, k->in, sizeof x);
    else to_strain(b->strain_kind, k->in, x);
    k->map = b->map_step ? k->own : map;
    if (b->map && b->map_step) load(b->map + first * b->map_step, 43, b->map_step, k->count, k->own);
    if (b->map) to_crystal(k->map, x, k->at);
    else memcpy(k->at, x, sizeof x);
    place(b->numbers, k);
}

/* Evaluate a block and store what is asked for. Gives the number of points outside the domain. */
static long finish(const batch *b, int want, const block *k, const pack units[21]) {
    const long first = k->first, count = k->count;
    const int turned = b->map != 0;
    long outside = 0;
    pack s[6], c[21], S[6], C[21], psi;
    evaluate_block(b->numbers, want, k, units, &psi, s, c);
    if (b->distance) store(&k->distance, 1, count, b->distance + first);
    if (b->uncertainty && HAS_UNCERTAINTY) {
        pack norm;
        deviation(b->numbers, k->at, &norm);
        FOR_VECTORS norm.v[v] *= turned ? k->map[42].v[v] : b->unit - (vec){0};
        store(&norm, 1, count, b->uncertainty + first);
    }
    for (int p = 0; p < count; p++) outside += get(&k->distance, p) > EDGE;
    if (b->energy) {
        FOR_VECTORS psi.v[v] *= turned ? k->map[42].v[v] : b->unit - (vec){0};
        store(&psi, 1, count, b->energy + first);
    }
    if (want & WANT_STRESS) {
        if (turned) stress_to_lab(k->map, s, S);
        else for (int i = 0; i < 6; i++) FOR_VECTORS S[i].v[v] = b->unit * s[i].v[v];
        if (b->stress) store_stress(b->stress_kind, k->in, S, count, b->stress + first * (b->stress_kind == STRESS_MANDEL ? 6 : 9));
    }
    if (want & WANT_TANGENT) {
        if (turned) tangent_to_lab(k->map, c, C);
        else for (int i = 0; i < 21; i++) FOR_VECTORS C[i].v[v] = b->unit * c[i].v[v];
        store_tangent(b->tangent_kind, k->in, S, C, count, b->tangent + first * b->tangent_kind);
    }
    return outside;
}

/* Evaluate a batch; a null pointer asks for nothing. Gives the number of points outside the domain. */
static long evaluate(const batch *b) {
    long outside = 0;
    block blocks[GROUP];
    pack map[43], units[GROUP][21];
    for (int g = 0; g < GROUP; g++)
        for (int i = 0; i < 9; i++) blocks[g].in[i] = broadcast(0.0);
    const int want = (b->stress || b->tangent_kind == TANGENT_FIRST ? WANT_STRESS : 0) | (b->tangent ? WANT_TANGENT : 0) |
                     (b->energy ? WANT_ENERGY : 0) | (b->tangent && b->single ? WANT_SINGLE : 0);
    if (b->map && b->map_step == 0) load(b->map, 43, 0, 1, map);
    for (long first = 0; first < b->count; first += GROUP * POINTS) {
        for (int g = 0; g < GROUP; g++) { /* a group that is cut short repeats its last block */
            const long start = first + g * POINTS;
            if (start < b->count) prepare(b, map, start, &blocks[g]);
            else blocks[g] = blocks[g - 1];
        }
        if (want & WANT_SINGLE) layer_tangent_single(b->numbers, blocks, units);
        for (int g = 0; g < GROUP && first + g * POINTS < b->count; g++) outside += finish(b, want, &blocks[g], units[g]);
    }
    return outside;
}
