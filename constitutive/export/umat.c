
/* ---- the user material -------------------------------------------------------------------------------------------------- */

#include <stdio.h>
#include <stdlib.h>

/* The solver's components 11 22 33 12 13 23 among the Mandel components xx yy zz yz xz xy. */
static const int PLACE[6] = {0, 1, 2, 5, 4, 3};

static double determinant(const double F[9]) {
    return F[0] * (F[4] * F[8] - F[5] * F[7]) - F[1] * (F[3] * F[8] - F[5] * F[6]) + F[2] * (F[3] * F[7] - F[4] * F[6]);
}

/* The rotation from crystal to global axes that the constants of the material state: none (0 or 1 constant), Bunge's Euler
 * angles in degrees (3), or the matrix row by row (9). Gives 0 where there is none. */
static int orientation(long count, const double *constants, double R[9]) {
    const double degree = 0.017453292519943295;
    if (count <= 1) return 0;
    if (count == 3) {
        const double c1 = cos(degree * constants[0]), s1 = sin(degree * constants[0]), c = cos(degree * constants[1]);
        const double s = sin(degree * constants[1]), c2 = cos(degree * constants[2]), s2 = sin(degree * constants[2]);
        const double rows[9] = {c1 * c2 - s1 * s2 * c, -c1 * s2 - s1 * c2 * c, s1 * s,  s1 * c2 + c1 * s2 * c, -s1 * s2 + c1 * c2 * c,
                                -c1 * s,               s2 * s,                 c2 * s, c};
        memcpy(R, rows, sizeof rows);
        return 1;
    }
    if (count != 9) {
        fprintf(stderr, "@NAME@: %ld constants found; needed are 0, 3 (Bunge's Euler angles, degrees) or 9 (rotation crystal to global)\n",
                count);
        exit(1);
    }
    memcpy(R, constants, 9 * sizeof *R);
    for (int round = 0; round < 3; round++) { /* numbers of an input file are rounded: R <- R (3 - R'R)/2 */
        double G[9], T[9], worst = 0.0;
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                G[3 * i + j] = R[i] * R[j] + R[3 + i] * R[3 + j] + R[6 + i] * R[6 + j];
                worst = fmax(worst, fabs(G[3 * i + j] - (i == j)));
            }
        if ((round == 0 && !(worst < 1e-2)) || !(determinant(R) > 0.0)) {
            fprintf(stderr, "@NAME@: the nine constants are no rotation: R'R differs from 1 by %g, det R = %g\n", worst, determinant(R));
            exit(1);
        }
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                T[3 * i + j] = 1.5 * R[3 * i + j] - 0.5 * (R[3 * i] * G[j] + R[3 * i + 1] * G[3 + j] + R[3 * i + 2] * G[6 + j]);
        memcpy(R, T, sizeof T);
    }
    return 1;
}
