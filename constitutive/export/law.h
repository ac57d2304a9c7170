#ifndef @GUARD@
#define @GUARD@

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions below return. */
enum { @UPPER@_INSIDE = 0,  /* the strain is inside the domain of the law, or the law states none */
       @UPPER@_OUTSIDE = 1, /* it is outside: see the policy above */
       @UPPER@_FAILED = 2   /* det F <= 0, or a number that is not finite: nothing was computed */ };

/* All arrays are row by row. R is the rotation from crystal axes to yours (9 numbers), or 0 for crystal axes; any result may be 0.
 *   energy      strain energy per reference volume, @UNIT@
 *   stress      second (S) or first (P) Piola-Kirchhoff stress, @UNIT@
 *   tangent     dS/dE [i][j][k][l], or dP/dF [i][J][k][L], @UNIT@
 *   deviation   Frobenius norm of the standard deviation of S, @UNIT@; -1 where the material states none
 * The functions keep no state, so any number of threads may call them. */

/* From the Green-Lagrange strain E (symmetric; 9 numbers). */
int @NAME@_from_strain(const double *E, const double *R, double *energy, double *stress, double *tangent, double *deviation);

/* From the deformation gradient F (F[i][J] = dx_i/dX_J; 9 numbers). */
int @NAME@_from_gradient(const double *F, const double *R, double *energy, double *stress, double *tangent, double *deviation);

/* In Mandel components xx yy zz r2.yz r2.xz r2.xy (r2 = square root of 2): strain and stress of 6 numbers, tangent of 36. */
int @NAME@_mandel(const double *strain, const double *R, double *energy, double *stress, double *tangent, double *deviation);

#ifdef __cplusplus
}
#endif
#endif
