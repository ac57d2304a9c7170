
/* ---- what the header declares ---------------------------------------------------------------------------------------- */

/* The 6 by 6 matrix M of X -> T X T' in Mandel components. */
static void mandel_of(const double T[9], double M[36]) {
    for (int a = 0; a < 6; a++)
        for (int b = 0; b < 6; b++) {
            const int i = PAIR[a][0], j = PAIR[a][1], k = PAIR[b][0], l = PAIR[b][1];
            double value = T[3 * i + k] * T[3 * j + l];
            if (k != l) value = (value + T[3 * i + l] * T[3 * j + k]) * HALF_ROOT2;
            M[6 * a + b] = i == j ? value : value * ROOT2;
        }
}

/* From the caller's axes to those of the tables, and the unit. */
static void map_of(const double *R, double map[43]) {
    double turn[9], M[36];
    memset(map, 0, 43 * sizeof *map);
    map[42] = UNIT_FACTOR;
    if (!R) {
        memcpy(map, FRAME, sizeof FRAME);
        return;
    }
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) turn[3 * i + j] = R[3 * j + i];
    mandel_of(turn, M);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            for (int k = 0; k < 6; k++) map[6 * i + j] += FRAME[6 * i + k] * M[6 * k + j];
}

static int all_finite(const double *x, int count) {
    for (int i = 0; i < count; i++)
        if (!(fabs(x[i]) <= 1e300)) return 0;
    return 1;
}

static int call_law(const double *strain, int strain_kind, const double *R, double *energy, double *stress, int stress_kind,
                    double *tangent, int tangent_kind, double *deviation) {
    double map[43], distance = 0.0;
    batch b;
    const int width = strain_kind == STRAIN_MANDEL ? 6 : 9;
    if (!all_finite(strain, width) || (R && !all_finite(R, 9))) return @UPPER@_FAILED;
    map_of(R, map);
    memset(&b, 0, sizeof b);
    b.count = 1, b.strain = strain, b.strain_step = width, b.strain_kind = strain_kind;
    b.map = map, b.unit = 1.0, b.numbers = NUMBERS;
    b.stress = stress, b.stress_kind = stress_kind;
    b.tangent = tangent, b.tangent_kind = tangent_kind;
    b.energy = energy, b.distance = &distance, b.uncertainty = deviation;
    if (deviation) *deviation = -1.0;
    const int outside = evaluate(&b) > 0;
    if (outside && STOPS) {
        if (energy) *energy = NAN;
        for (int i = 0; stress && i < (stress_kind == STRESS_MANDEL ? 6 : 9); i++) stress[i] = NAN;
        for (int i = 0; tangent && i < tangent_kind; i++) tangent[i] = NAN;
    }
    return outside ? @UPPER@_OUTSIDE : @UPPER@_INSIDE;
}

@STATIC@int @NAME@_mandel(const double *strain, const double *R, double *energy, double *stress, double *tangent, double *deviation) {
    return call_law(strain, STRAIN_MANDEL, R, energy, stress, STRESS_MANDEL, tangent, TANGENT_MATRIX, deviation);
}

@STATIC@int @NAME@_from_strain(const double *E, const double *R, double *energy, double *stress, double *tangent, double *deviation) {
    double C[36];
    const int state = call_law(E, STRAIN_TENSOR, R, energy, stress, STRESS_SECOND, tangent ? C : 0, TANGENT_MATRIX, deviation);
    if (state == @UPPER@_FAILED || !tangent) return state;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 3; k++)
                for (int l = 0; l < 3; l++)
                    tangent[27 * i + 9 * j + 3 * k + l] =
                        C[6 * MANDEL[i][j] + MANDEL[k][l]] * (i == j ? 1.0 : HALF_ROOT2) * (k == l ? 1.0 : HALF_ROOT2);
    return state;
}

@STATIC@int @NAME@_from_gradient(const double *F, const double *R, double *energy, double *stress, double *tangent, double *deviation) {
    const double J = F[0] * (F[4] * F[8] - F[5] * F[7]) - F[1] * (F[3] * F[8] - F[5] * F[6]) + F[2] * (F[3] * F[7] - F[4] * F[6]);
    if (!(J > 0.0)) return @UPPER@_FAILED;
    return call_law(F, DEFORMATION_GRADIENT, R, energy, stress, STRESS_FIRST, tangent, TANGENT_FIRST, deviation);
}
