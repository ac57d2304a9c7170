/* Element matrix of a law at the quadrature points: K = ∫ δE · C ΔE + S · ΔδE over one cell, its law being S and C at the points.

   The sizes NODES (of the displacement), CORNERS (of the geometry), POINTS, the tables WEIGHT, SHAPE (derivatives of the shape
   functions of the displacement) and GEOMETRY (of those of the geometry), FINITE, and the places of u, S and C among the coefficients
   (AT_U, AT_S, AT_C) stand above. The arguments are those of a form's kernel in DOLFINx. */

enum { SIDE = 3 * NODES };
static const int MANDEL[3][3] = {{0, 5, 4}, {5, 1, 3}, {4, 3, 2}};
static const int PACKED[6][6] = {{0, 1, 2, 3, 4, 5},   {1, 6, 7, 8, 9, 10},    {2, 7, 11, 12, 13, 14},
                                 {3, 8, 12, 15, 16, 17}, {4, 9, 13, 16, 18, 19}, {5, 10, 14, 17, 19, 20}};
static const int BLOCK[6][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}};
static const double ROOT = 0.70710678118654752440;

/* Physical derivatives of the shape functions at a point, and its weight. */
static double gradients(int q, const double *restrict x, double G[3][NODES]) {
  double J[3][3] = {{0}}, inverse[3][3];
  for (int n = 0; n < CORNERS; n++)
    for (int i = 0; i < 3; i++)
      for (int j = 0; j < 3; j++) J[i][j] += x[3 * n + i] * GEOMETRY[q][j][n];
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      const int a = (i + 1) % 3, b = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
      inverse[j][i] = J[a][c] * J[b][d] - J[a][d] * J[b][c];
    }
  const double det = J[0][0] * inverse[0][0] + J[0][1] * inverse[1][0] + J[0][2] * inverse[2][0];
  for (int j = 0; j < 3; j++)
    for (int n = 0; n < NODES; n++)
      G[j][n] = (SHAPE[q][0][n] * inverse[0][j] + SHAPE[q][1][n] * inverse[1][j] + SHAPE[q][2][n] * inverse[2][j]) / det;
  return WEIGHT[q] * (det < 0 ? -det : det);
}

/* First elasticity tensor ∂P/∂F = δ S + F C F at a point, times its weight: 9 × 9, components iJ in the order 3 i + J. */
static void first_elasticity(const double F[3][3], const double *restrict S, const double *restrict packed, double weight, double A[9][9]) {
  double C[6][6], half[6][9];
  for (int p = 0; p < 6; p++)
    for (int q = 0; q < 6; q++) C[p][q] = weight * (p < 3 ? 1 : ROOT) * (q < 3 ? 1 : ROOT) * packed[PACKED[p][q]];
  for (int p = 0; p < 6; p++)
    for (int n = 0; n < 3; n++)
      for (int L = 0; L < 3; L++)
        half[p][3 * n + L] = C[p][MANDEL[0][L]] * F[n][0] + C[p][MANDEL[1][L]] * F[n][1] + C[p][MANDEL[2][L]] * F[n][2];
  for (int m = 0; m < 3; m++)
    for (int J = 0; J < 3; J++)
      for (int r = 0; r < 9; r++)
        A[3 * m + J][r] = F[m][0] * half[MANDEL[0][J]][r] + F[m][1] * half[MANDEL[1][J]][r] + F[m][2] * half[MANDEL[2][J]][r];
  if (S)
    for (int J = 0; J < 3; J++)
      for (int L = 0; L < 3; L++) {
        const double s = weight * (J == L ? 1 : ROOT) * S[MANDEL[J][L]];
        for (int m = 0; m < 3; m++) A[3 * m + J][3 * m + L] += s;
      }
}

void cell_matrix(double *restrict K, const double *restrict w, const double *c, const double *restrict x, const int *entity,
                 const unsigned char *permutation, void *data) {
  double G[POINTS][3][NODES], A[POINTS][9][9];
  for (int q = 0; q < POINTS; q++) {
    const double weight = gradients(q, x, G[q]);
    double F[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    if (FINITE)
      for (int n = 0; n < NODES; n++)
        for (int i = 0; i < 3; i++)
          for (int j = 0; j < 3; j++) F[i][j] += w[AT_U + 3 * n + i] * G[q][j][n];
    first_elasticity(F, FINITE ? w + AT_S + 6 * q : 0, w + AT_C + 21 * q, weight, A[q]);
  }
  for (int k = 0; k < 6; k++) {
    const int m = BLOCK[k][0], n = BLOCK[k][1];
    double block[NODES][NODES] = {{0}};
    for (int q = 0; q < POINTS; q++) {
      double row[3][NODES];
      for (int J = 0; J < 3; J++) {
        const double *a = A[q][3 * m + J] + 3 * n;
        for (int b = 0; b < NODES; b++) row[J][b] = a[0] * G[q][0][b] + a[1] * G[q][1][b] + a[2] * G[q][2][b];
      }
      for (int a = 0; a < NODES; a++)
        for (int b = 0; b < NODES; b++)
          block[a][b] += G[q][0][a] * row[0][b] + G[q][1][a] * row[1][b] + G[q][2][a] * row[2][b];
    }
    for (int a = 0; a < NODES; a++)
      for (int b = 0; b < NODES; b++) K[SIDE * (3 * a + m) + 3 * b + n] += block[a][b];
    if (m != n)
      for (int a = 0; a < NODES; a++)
        for (int b = 0; b < NODES; b++) K[SIDE * (3 * a + n) + 3 * b + m] += block[b][a];
  }
}
