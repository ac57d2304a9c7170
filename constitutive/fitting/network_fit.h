typedef struct {
    long samples, rotations, channels, coefficients;
    const double *points; /* (samples, INPUTS), in units of the scale */
    const double *group;   /* (rotations, INPUTS, INPUTS) */
    const double *norm;    /* (samples, INPUTS, INPUTS), or NULL for the identity */
    const double *columns; /* (samples, INPUTS, coefficients): gradient of the series, in the norm of the fit */
    const double *target;  /* (samples, INPUTS) */
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
