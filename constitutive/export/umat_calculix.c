
/* The upper triangle of dS/dE as CalculiX stores it, column by column, components 11 22 33 12 13 23. */
static void triangle(const double C[36], double stiffness[21]) {
    for (int b = 0, k = 0; b < 6; b++)
        for (int a = 0; a <= b; a++, k++)
            stiffness[k] = C[6 * PLACE[a] + PLACE[b]] * (a < 3 ? 1.0 : HALF_ROOT2) * (b < 3 ? 1.0 : HALF_ROOT2);
}

/* The native interface of CalculiX, *MATERIAL, NAME=@@LIBRARY@_UMATX: the strain is Green-Lagrange's where the step says NLGEOM (else
 * the linear one), the stress is the second Piola-Kirchhoff stress, so this is the law as it is.
 *   constants      orientation: 1 (not used), 3 or 9 numbers, see above
 *   state          (1) strain energy, (2) 1 outside the domain, (3) norm of the standard deviation of S (-1: not stated); *DEPVAR 3
 *   new_increment  0.5 where det F <= 0, a number is not finite, or the strain is outside and the policy is to stop */
void UMATX(const char *name, const int *element, const int *point, const int *kode, const double *constants, const double *strain,
           const double *strain_before, const double *beta, const double *F0, const double *J0, const double *F, const double *J,
           const int *thermal, const double *temperature, const double *dtime, const double *time, const double *total, const int *command,
           const int *elastic, const int *mi, const int *states, const double *state_before, double *state, double *stress,
           double *stiffness, const int *oriented, const double *coordinates, const double *axes, double *new_increment,
           const int *ipkon, int size) {
    double R[9], e[6], S[6], C[36], psi = 0.0, deviation = -1.0;
    (void)name, (void)strain_before, (void)beta, (void)F0, (void)J0, (void)F, (void)thermal, (void)temperature, (void)dtime, (void)time;
    (void)total, (void)elastic, (void)state_before, (void)coordinates, (void)axes, (void)ipkon, (void)size;
    if (*oriented) {
        fprintf(stderr, "@NAME@: the section has an *ORIENTATION; state the crystal's orientation by the material's constants instead\n");
        exit(1);
    }
    const double *turn = orientation(-100 - *kode, constants, R) ? R : 0;
    for (int a = 0; a < 6; a++) e[PLACE[a]] = strain[a] * (a < 3 ? 1.0 : ROOT2);
    int status = *J > 0.0 ? @NAME@_mandel(e, turn, &psi, S, C, &deviation) : @UPPER@_FAILED;
    double *own = state + (long)*states * ((*point - 1) + (long)mi[0] * (*element - 1));
    if (*states > 1) own[1] = status != @UPPER@_INSIDE;
    if (status == @UPPER@_FAILED || (status == @UPPER@_OUTSIDE && STOPS)) {
        const double zero[6] = {0};
        *new_increment = 0.5;
        @NAME@_mandel(zero, turn, &psi, S, C, 0);
    } else {
        if (*states > 0) own[0] = psi;
        if (*states > 2) own[2] = deviation;
    }
    for (int a = 0; a < 6; a++) stress[a] = S[PLACE[a]] * (a < 3 ? 1.0 : HALF_ROOT2);
    if (*command != 3) triangle(C, stiffness);
}
