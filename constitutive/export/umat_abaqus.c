
/* STRESS and DDSDDE of the Cauchy stress: sigma = F S F'/J, and with Jaumann's rate of the Kirchhoff stress
 * DDSDDE = (1/J) F F F F : dS/dE + (d_ik s_jl + d_il s_jk + d_jk s_il + d_jl s_ik)/2. */
static void push_forward(const double F[9], double S[6], double C[36]) {
    double T[36], half[36], full[9];
    const double J = determinant(F);
    mandel_of(F, T);
    double s[6] = {0};
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) s[i] += T[6 * i + j] * S[j] / J;
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            half[6 * i + j] = 0.0;
            for (int k = 0; k < 6; k++) half[6 * i + j] += T[6 * i + k] * C[6 * k + j] / J;
        }
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            C[6 * i + j] = 0.0;
            for (int k = 0; k < 6; k++) C[6 * i + j] += half[6 * i + k] * T[6 * j + k];
        }
    memcpy(S, s, sizeof s);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) full[3 * i + j] = s[MANDEL[i][j]] * (i == j ? 1.0 : HALF_ROOT2);
    for (int a = 0; a < 6; a++)
        for (int b = 0; b < 6; b++) {
            const int i = PAIR[a][0], j = PAIR[a][1], k = PAIR[b][0], l = PAIR[b][1];
            const double sum = (i == k) * full[3 * j + l] + (i == l) * full[3 * j + k] + (j == k) * full[3 * i + l] + (j == l) * full[3 * i + k];
            C[6 * a + b] += 0.5 * sum * (i == j ? 1.0 : ROOT2) * (k == l ? 1.0 : ROOT2);
        }
}

/* Whether the step is geometrically linear: F is not given (1), or the strain is the linear one of F. */
static int is_linear(const double F[9], const double e[6]) {
    double identity = 0.0, linear = 0.0;
    for (int i = 0; i < 9; i++) identity = fmax(identity, fabs(F[i] - (i % 4 == 0)));
    for (int a = 0; a < 6; a++) {
        const int i = PAIR[a][0], j = PAIR[a][1];
        const double h = i == j ? F[4 * i] - 1.0 : ROOT2 * 0.5 * (F[3 * i + j] + F[3 * j + i]);
        linear = fmax(linear, fabs(h - e[a]));
    }
    return identity == 0.0 || linear <= 1e-14;
}

/* The interface of Abaqus: all arguments by reference, arrays column by column.
 *   PROPS   orientation: none, 3 or 9 numbers, see above
 *   STATEV  (1) strain energy, (2) 1 outside the domain, (3) norm of the standard deviation of S (-1: not stated); as many as there are
 *   PNEWDT  0.5 where det F <= 0, a number is not finite, or the strain is outside and the policy is to stop */
void @ENTRY@(double *stress, double *statev, double *ddsdde, double *sse, double *spd, double *scd, double *rpl, double *ddsddt,
           double *drplde, double *drpldt, const double *stran, const double *dstran, const double *time, const double *dtime,
           const double *temp, const double *dtemp, const double *predef, const double *dpred, const char *cmname, const int *ndi,
           const int *nshr, const int *ntens, const int *nstatv, const double *props, const int *nprops, const double *coords,
           const double *drot, double *pnewdt, const double *celent, const double *dfgrd0, const double *dfgrd1, const int *noel,
           const int *npt, const int *layer, const int *kspt, const int *jstep, const int *kinc, size_t length) {
    double R[9], F[9], e[6] = {0}, S[6], C[36], psi = 0.0, deviation = -1.0;
    (void)spd, (void)scd, (void)rpl, (void)ddsddt, (void)drplde, (void)drpldt, (void)time, (void)dtime, (void)temp, (void)dtemp;
    (void)predef, (void)dpred, (void)cmname, (void)coords, (void)drot, (void)celent, (void)dfgrd0, (void)noel, (void)npt, (void)layer;
    (void)kspt, (void)jstep, (void)kinc, (void)length;
    if (*ndi != 3 || *ntens != *ndi + *nshr) {
        fprintf(stderr, "@NAME@: %d direct and %d shear components; the law needs solid, plane-strain or axisymmetric elements\n", *ndi, *nshr);
        exit(1);
    }
    const double *turn = orientation(*nprops, props, R) ? R : 0;
    for (int a = 0; a < *ntens; a++) e[PLACE[a]] = (stran[a] + dstran[a]) * (a < 3 ? 1.0 : HALF_ROOT2);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) F[3 * i + j] = dfgrd1[3 * j + i];
    const int linear = is_linear(F, e);
    if (!linear)
        for (int a = 0; a < 6; a++) {
            const int i = PAIR[a][0], j = PAIR[a][1];
            const double c = F[i] * F[j] + F[3 + i] * F[3 + j] + F[6 + i] * F[6 + j];
            e[a] = 0.5 * (c - (i == j)) * (i == j ? 1.0 : ROOT2);
        }
    const double J = linear ? 1.0 : determinant(F);
    int state = J > 0.0 ? @NAME@_mandel(e, turn, &psi, S, C, &deviation) : @UPPER@_FAILED;
    if (*nstatv > 1) statev[1] = state != @UPPER@_INSIDE;
    if (state == @UPPER@_FAILED || (state == @UPPER@_OUTSIDE && STOPS)) {
        const double zero[6] = {0};
        *pnewdt = *pnewdt > 0.0 && *pnewdt < 0.5 ? *pnewdt : 0.5;
        @NAME@_mandel(zero, turn, &psi, S, C, 0); /* something finite for the rest of this iteration */
    } else {
        if (*nstatv > 0) statev[0] = psi;
        if (*nstatv > 2) statev[2] = deviation;
        *sse = psi / J;
        if (!linear) push_forward(F, S, C);
    }
    for (int a = 0; a < *ntens; a++) {
        stress[a] = S[PLACE[a]] * (a < 3 ? 1.0 : HALF_ROOT2);
        for (int b = 0; b < *ntens; b++)
            ddsdde[*ntens * b + a] = C[6 * PLACE[a] + PLACE[b]] * (a < 3 ? 1.0 : HALF_ROOT2) * (b < 3 ? 1.0 : HALF_ROOT2);
    }
}
