/* The law at the strains of a block, continued outside its domain: ψ(ρ(r) x/r) + ½ κ (r − R)₊² with r² = x·Mx,
 * ρ = R + L t/√(1 + t²), t = (r − R)/L. Points outside are rare, so they are finished one by one. */

static __attribute__((noinline)) void law_energy(const double *numbers, const pack x[6], pack *psi) {
    polynomial(numbers, WANT_ENERGY, x, psi, 0, 0);
    layer(numbers, WANT_ENERGY, x, psi, 0, 0);
}

static __attribute__((noinline)) void law_stress(const double *numbers, const pack x[6], pack s[6]) {
    polynomial(numbers, WANT_STRESS, x, 0, s, 0);
    layer(numbers, WANT_STRESS, x, 0, s, 0);
}

static __attribute__((noinline)) void law_tangent(const double *numbers, const pack x[6], pack c[21]) {
    polynomial(numbers, WANT_TANGENT, x, 0, 0, c);
    layer(numbers, WANT_TANGENT, x, 0, 0, c);
}

static __attribute__((noinline)) void law_both(const double *numbers, const pack x[6], pack s[6], pack c[21]) {
    polynomial(numbers, WANT_STRESS | WANT_TANGENT, x, 0, s, c);
    layer(numbers, WANT_STRESS | WANT_TANGENT, x, 0, s, c);
}

static __attribute__((noinline)) void law_polynomial_tangent(const double *numbers, const pack x[6], pack c[21]) {
    polynomial(numbers, WANT_TANGENT, x, 0, 0, c);
}

/* `units`: the units' part of the tangent, where that is wanted in single precision. */
static void law(const double *numbers, int want, const pack x[6], const pack units[21], pack *psi, pack s[6], pack c[21]) {
    if (want & WANT_ENERGY) law_energy(numbers, x, psi);
    if (want & WANT_SINGLE) {
        if (want & WANT_STRESS) law_stress(numbers, x, s);
        law_polynomial_tangent(numbers, x, c);
        for (int i = 0; i < 21; i++) FOR_VECTORS c[i].v[v] += units[i].v[v];
    } else if ((want & WANT_STRESS) && (want & WANT_TANGENT)) law_both(numbers, x, s, c);
    else if (want & WANT_STRESS) law_stress(numbers, x, s);
    else if (want & WANT_TANGENT) law_tangent(numbers, x, c);
}

/* M x and r/R of each point. */
INLINE void relative_distance(const double *numbers, const pack x[6], pack normal[6], pack *distance) {
    pack square = {0};
    for (int i = 0; i < 6; i++) {
        normal[i] = (pack){0};
        for (int j = 0; j < 6; j++) FOR_VECTORS normal[i].v[v] += METRIC[i][j] * x[j].v[v];
        FOR_VECTORS square.v[v] += normal[i].v[v] * x[i].v[v];
    }
    for (int p = 0; p < POINTS; p++) set(distance, p, sqrt(get(&square, p)) / RADIUS);
}

/* What the extension makes of the law's answers at ρ x/r, for one point. n = Mx/r. */
static void extend(const double *numbers, int want, int p, double r, const pack x[6], const pack normal[6], pack *psi, pack s[6],
                   pack c[21]) {
    const double t = (r - RADIUS) / REACH, g = 1.0 + t * t, over = r - RADIUS;
    const double rho = RADIUS + REACH * t / sqrt(g), rho1 = 1.0 / (g * sqrt(g)), rho2 = -3.0 * t / (g * g * sqrt(g)) / REACH;
    const double f = rho / r, f1 = rho1 / r - rho / (r * r), f2 = rho2 / r - 2.0 * rho1 / (r * r) + 2.0 * rho / (r * r * r);
    double y[6], n[6], S[6], work = 0.0;
    if (want & WANT_ENERGY) set(psi, p, get(psi, p) + 0.5 * KAPPA * over * over);
    if (!(want & (WANT_STRESS | WANT_TANGENT))) return;
    for (int i = 0; i < 6; i++) {
        y[i] = get(&x[i], p), n[i] = get(&normal[i], p) / r, S[i] = get(&s[i], p);
        work += y[i] * S[i];
    }
    for (int i = 0; i < 6; i++) set(&s[i], p, f * S[i] + (f1 * work + KAPPA * over) * n[i]);
    if (!(want & WANT_TANGENT)) return;
    double C[6][6], Cy[6], yCy = 0.0;
    for (int i = 0, k = 0; i < 6; i++)
        for (int j = i; j < 6; j++, k++) C[i][j] = C[j][i] = get(&c[k], p);
    for (int i = 0; i < 6; i++) {
        Cy[i] = 0.0;
        for (int j = 0; j < 6; j++) Cy[i] += C[i][j] * y[j];
        yCy += y[i] * Cy[i];
    }
    const double across = f2 * work + KAPPA + f1 * f1 * yCy, along = f1 * work + KAPPA * over;
    for (int i = 0, k = 0; i < 6; i++)
        for (int j = i; j < 6; j++, k++) {
            const double mixed = f1 * (n[i] * (S[j] + f * Cy[j]) + n[j] * (S[i] + f * Cy[i]));
            set(&c[k], p, f * f * C[i][j] + mixed + across * n[i] * n[j] + along * (METRIC[i][j] - n[i] * n[j]) / r);
        }
}

/* The strains of a block at which the law is evaluated: those outside the domain are drawn in to ρ x/r where the law is extended. */
INLINE void place(const double *numbers, block *k) {
    k->distance = (pack){0};
    k->outside = 0;
    if (HAS_DOMAIN) relative_distance(numbers, k->at, k->normal, &k->distance);
    memcpy(k->inside, k->at, sizeof k->inside);
    if (!EXTENDS) return;
    for (int p = 0; p < POINTS; p++)
        if (get(&k->distance, p) > EDGE) {
            const double r = RADIUS * get(&k->distance, p), t = (r - RADIUS) / REACH, f = (RADIUS + REACH * t / sqrt(1.0 + t * t)) / r;
            for (int i = 0; i < 6; i++) set(&k->inside[i], p, f * get(&k->at[i], p));
            k->outside = 1;
        }
}

static void evaluate_block(const double *numbers, int want, const block *k, const pack units[21], pack *psi, pack s[6], pack c[21]) {
    if (k->outside && (want & WANT_TANGENT)) want |= WANT_STRESS; /* the tangent outside needs the stress */
    law(numbers, want, k->inside, units, psi, s, c);
    if (!k->outside) return;
    for (int p = 0; p < POINTS; p++)
        if (get(&k->distance, p) > EDGE) extend(numbers, want, p, RADIUS * get(&k->distance, p), k->at, k->normal, psi, s, c);
}
