typedef struct {
    long samples, rotations, channels, coefficients;
    const double *strains; /* (samples, 6), in units of the scale */
    const double *group;   /* (rotations, 6, 6) */
    const double *norm;    /* (samples, 6, 6), or NULL for the identity */
    const double *columns; /* (samples, 6, coefficients): stress of the series, in the norm of the fit */
    const double *target;  /* (samples, 6) */
    const double *ridge;   /* of every parameter */
    double *parameters;    /* in: the start; out: the minimum */
    double *work;          /* network_fit_work() doubles */
    long steps, attempts, patience;
    double small, first_damping, least_damping;
    double objective; /* out, with the two below */
    long taken, converged;
} network_fit;

long network_fit_work(const network_fit *f);
void network_fit_minimise(network_fit *f);
void network_fit_linearise(const network_fit *f, double *rest, double *slopes);
