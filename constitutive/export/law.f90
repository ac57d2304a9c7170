  !> What the subroutines give as state: inside the domain (or none is stated), outside it, or nothing computed.
  integer, parameter, public :: @NAME@_inside = 0
  integer, parameter, public :: @NAME@_outside = 1
  integer, parameter, public :: @NAME@_failed = 2
  public :: @NAME@_mandel, @NAME@_from_strain
  public :: @NAME@_from_gradient, @NAME@_push_forward
  integer, parameter :: pair(2, 6) = reshape([1, 1, 2, 2, 3, 3, 2, 3, 1, 3, 1, 2], [2, 6])
  integer, parameter :: mandel(3, 3) = reshape([1, 6, 5, 6, 2, 4, 5, 4, 3], [3, 3])
  real(dp), parameter :: root2 = sqrt(2.0_dp), shear(6) = [1.0_dp, 1.0_dp, 1.0_dp, root2, root2, root2]

contains

  !> The matrix of X -> T X T' in Mandel components.
  pure function matrix_of(T) result(M)
    real(dp), intent(in) :: T(3, 3)
    real(dp) :: M(6, 6)
    integer :: a, b
    do b = 1, 6
      do a = 1, 6
        associate (i => pair(1, a), j => pair(2, a), k => pair(1, b), l => pair(2, b))
          M(a, b) = T(i, k) * T(j, l)
          if (k /= l) M(a, b) = (M(a, b) + T(i, l) * T(j, k)) / root2
          if (i /= j) M(a, b) = M(a, b) * root2
        end associate
      end do
    end do
  end function

  pure function determinant(F) result(J)
    real(dp), intent(in) :: F(3, 3)
    real(dp) :: J
    J = F(1, 1) * (F(2, 2) * F(3, 3) - F(2, 3) * F(3, 2)) - F(1, 2) * (F(2, 1) * F(3, 3) - F(2, 3) * F(3, 1)) &
      + F(1, 3) * (F(2, 1) * F(3, 2) - F(2, 2) * F(3, 1))
  end function

  !> Powers of the strain and their first two derivatives: x^e, e x^(e-1), e (e-1) x^(e-2).
  pure subroutine powers(x, power)
    real(dp), intent(in) :: x(6)
    real(dp), intent(out) :: power(0:8, 6, 0:2)
    integer :: k
    power = 0
    power(0, :, 0) = 1
    do k = 1, 8
      power(k, :, 0) = power(k - 1, :, 0) * x
      power(k, :, 1) = k * power(k - 1, :, 0)
    end do
    do k = 2, 8
      power(k, :, 2) = k * power(k - 1, :, 1)
    end do
  end subroutine

  !> Gradient of one monomial.
  pure function monomial_gradient(power, e) result(g)
    real(dp), intent(in) :: power(0:8, 6, 0:2)
    integer, intent(in) :: e(6)
    real(dp) :: g(6)
    integer :: i, k
    do i = 1, 6
      g(i) = power(e(i), i, 1)
      if (e(i) == 0) cycle
      do k = 1, 6
        if (k /= i) g(i) = g(i) * power(e(k), k, 0)
      end do
    end do
  end function

  !> Energy, stress and tangent (GPa) without a domain, in the axes of the tables.
  pure subroutine law(x, psi, s, c)
    real(dp), intent(in) :: x(6)
    real(dp), intent(out) :: psi, s(6), c(6, 6)
    real(dp) :: power(0:8, 6, 0:2), g, d, z, r, rb, part
    integer :: n, i, j, k
    psi = 0
    s = 0
    c = 0
    call powers(x, power)
    do n = 1, terms
      part = coefficient(n)
      do k = 1, 6
        part = part * power(exponent(k, n), k, 0)
      end do
      psi = psi + part
      s = s + coefficient(n) * monomial_gradient(power, exponent(:, n))
      do j = 1, 6
        if (exponent(j, n) == 0) cycle
        do i = 1, j
          if (exponent(i, n) == 0) cycle
          if (i == j) then
            part = coefficient(n) * power(exponent(i, n), i, 2)
          else
            part = coefficient(n) * power(exponent(i, n), i, 1) * power(exponent(j, n), j, 1)
          end if
          do k = 1, 6
            if (k /= i .and. k /= j) part = part * power(exponent(k, n), k, 0)
          end do
          c(i, j) = c(i, j) + part
        end do
      end do
    end do
    do n = 1, units
      d = dot_product(weight(:, n), x)
      z = bias(n) + d
      r = sqrt(z * z + 4)
      rb = sqrt(bias(n)**2 + 4)
      g = 1 - bias(n) * (z + bias(n)) / (rb * (r + rb))
      psi = psi + 0.5_dp * amplitude(n) * d * d * g / (r + rb)
      s = s + 0.5_dp * amplitude(n) * d * g / r * weight(:, n)
      do j = 1, 6
        do i = 1, j
          c(i, j) = c(i, j) + 2 * amplitude(n) / r**3 * weight(i, n) * weight(j, n)
        end do
      end do
    end do
    do j = 1, 5
      c(j + 1:6, j) = c(j, j + 1:6)
    end do
  end subroutine

  !> The law continued outside its domain: psi(rho(r) x/r) + kappa (r - R)^2/2, r^2 = x.Mx, rho = R + L t/sqrt(1 + t^2).
  pure subroutine extended_law(x, r, normal, psi, s, c)
    real(dp), intent(in) :: x(6), r, normal(6)
    real(dp), intent(out) :: psi, s(6), c(6, 6)
    real(dp) :: t, q, over, rho, rho1, rho2, f, f1, f2, work, cx(6), inner(6), along, across
    integer :: i, j
    over = r - radius
    t = over / reach
    q = 1 + t * t
    rho = radius + reach * t / sqrt(q)
    rho1 = q**(-1.5_dp)
    rho2 = -3 * t * q**(-2.5_dp) / reach
    f = rho / r
    f1 = rho1 / r - rho / r**2
    f2 = rho2 / r - 2 * rho1 / r**2 + 2 * rho / r**3
    call law(f * x, psi, inner, c)
    work = dot_product(x, inner)
    cx = matmul(c, x)
    along = f1 * work + kappa * over
    across = f2 * work + kappa + f1 * f1 * dot_product(x, cx)
    psi = psi + 0.5_dp * kappa * over * over
    s = f * inner + along * normal
    do j = 1, 6
      do i = 1, 6
        c(i, j) = f * f * c(i, j) + f1 * (normal(i) * (inner(j) + f * cx(j)) + normal(j) * (inner(i) + f * cx(i))) &
          + across * normal(i) * normal(j) + along * (metric(i, j) - normal(i) * normal(j)) / r
      end do
    end do
  end subroutine

  !> Norm of the standard deviation of S (GPa); -1 where the material states none.
  pure function deviation_of(x) result(norm)
    real(dp), intent(in) :: x(6)
    real(dp) :: norm, power(0:8, 6, 0:2), channel(6, max(channels, 1)), column(6, max(columns, 1)), g(6), z
    integer :: n, k
    norm = -1
    if (columns == 0) return
    channel = 0
    column = 0
    do n = 1, channel_units
      z = channel_bias(n) + dot_product(channel_weight(:, n), x)
      g = 0.5_dp * share * (z / sqrt(z * z + 4) - channel_bias(n) / sqrt(channel_bias(n)**2 + 4)) * channel_weight(:, n)
      channel(:, channel_of(n)) = channel(:, channel_of(n)) + g
    end do
    call powers(x, power)
    do n = 1, column_terms
      g = monomial_gradient(power, column_exponent(:, n))
      do k = 1, columns
        column(:, k) = column(:, k) + column_coefficient(k, n) * g
      end do
    end do
    do n = 1, channels
      do k = 1, columns
        column(:, k) = column(:, k) + factor(k, n) * channel(:, n)
      end do
    end do
    norm = sqrt(sum(column(:, 1:columns)**2))
  end function

  !> From the Green-Lagrange strain in Mandel components xx yy zz r2.yz r2.xz r2.xy; R takes crystal axes to the caller's.
  pure subroutine @NAME@_mandel(strain, R, energy, stress, tangent, deviation, state)
    real(dp), intent(in) :: strain(6), R(3, 3)
    real(dp), intent(out) :: energy, stress(6), tangent(6, 6), deviation
    integer, intent(out) :: state
    real(dp) :: A(6, 6), x(6), normal(6), distance
    energy = 0
    stress = 0
    tangent = 0
    deviation = -1
    state = @NAME@_failed
    if (.not. (all(abs(strain) <= 1e300_dp) .and. all(abs(R) <= 1e300_dp))) return
    A = matmul(frame, matrix_of(transpose(R)))
    x = matmul(A, strain)
    state = @NAME@_inside
    if (has_domain) then
      normal = matmul(metric, x)
      distance = sqrt(max(dot_product(x, normal), 0.0_dp))
      if (distance > radius * (1 + 1e-9_dp)) state = @NAME@_outside
    end if
    if (extends .and. state == @NAME@_outside) then
      call extended_law(x, distance, normal / distance, energy, stress, tangent)
    else
      call law(x, energy, stress, tangent)
    end if
    energy = unit * energy
    stress = unit * matmul(transpose(A), stress)
    tangent = unit * matmul(transpose(A), matmul(tangent, A))
    deviation = deviation_of(x)
    if (deviation > 0) deviation = unit * deviation
    if (stops .and. state == @NAME@_outside) then
      energy = ieee_value(energy, ieee_quiet_nan)
      stress = energy
      tangent = energy
    end if
  end subroutine

  !> From the Green-Lagrange strain: second Piola-Kirchhoff stress and dS/dE.
  pure subroutine @NAME@_from_strain(E, R, energy, S, tangent, deviation, state)
    real(dp), intent(in) :: E(3, 3), R(3, 3)
    real(dp), intent(out) :: energy, S(3, 3), tangent(3, 3, 3, 3), deviation
    integer, intent(out) :: state
    real(dp) :: x(6), stress(6), c(6, 6)
    integer :: i, j, k, l
    x = [(0.5_dp * (E(pair(1, k), pair(2, k)) + E(pair(2, k), pair(1, k))), k = 1, 6)] * shear
    call @NAME@_mandel(x, R, energy, stress, c, deviation, state)
    do i = 1, 3
      do j = 1, 3
        S(i, j) = stress(mandel(i, j)) / shear(mandel(i, j))
        do k = 1, 3
          do l = 1, 3
            tangent(i, j, k, l) = c(mandel(i, j), mandel(k, l)) / shear(mandel(i, j)) / shear(mandel(k, l))
          end do
        end do
      end do
    end do
  end subroutine

  !> From the deformation gradient: first Piola-Kirchhoff stress and dP/dF.
  pure subroutine @NAME@_from_gradient(F, R, energy, P, tangent, deviation, state)
    real(dp), intent(in) :: F(3, 3), R(3, 3)
    real(dp), intent(out) :: energy, P(3, 3), tangent(3, 3, 3, 3), deviation
    integer, intent(out) :: state
    real(dp) :: E(3, 3), S(3, 3), c(3, 3, 3, 3), half(3, 3, 3, 3)
    integer :: i, j, k, l
    energy = 0
    P = 0
    tangent = 0
    deviation = -1
    state = @NAME@_failed
    if (.not. determinant(F) > 0) return
    E = 0.5_dp * matmul(transpose(F), F)
    do i = 1, 3
      E(i, i) = E(i, i) - 0.5_dp
    end do
    call @NAME@_from_strain(E, R, energy, S, c, deviation, state)
    P = matmul(F, S)
    do l = 1, 3
      do k = 1, 3
        do j = 1, 3
          do i = 1, 3
            half(i, j, k, l) = dot_product(F(i, :), c(:, j, k, l))
          end do
        end do
      end do
    end do
    do l = 1, 3
      do k = 1, 3
        do j = 1, 3
          do i = 1, 3
            tangent(i, j, k, l) = dot_product(F(k, :), half(i, j, :, l))
            if (i == k) tangent(i, j, k, l) = tangent(i, j, k, l) + S(j, l)
          end do
        end do
      end do
    end do
  end subroutine

  !> Cauchy stress F S F'/J and the tangent of Jaumann's rate: (1/J) F F F F : dS/dE + (d_ik s_jl + d_il s_jk + d_jk s_il + d_jl s_ik)/2.
  pure subroutine @NAME@_push_forward(F, stress, tangent)
    real(dp), intent(in) :: F(3, 3)
    real(dp), intent(inout) :: stress(6), tangent(6, 6)
    real(dp) :: T(6, 6), sigma(3, 3), part
    integer :: a, b, i, j
    T = matrix_of(F)
    stress = matmul(T, stress) / determinant(F)
    tangent = matmul(T, matmul(tangent, transpose(T))) / determinant(F)
    do j = 1, 3
      do i = 1, 3
        sigma(i, j) = stress(mandel(i, j)) / shear(mandel(i, j))
      end do
    end do
    do b = 1, 6
      do a = 1, 6
        part = 0
        if (pair(1, a) == pair(1, b)) part = part + sigma(pair(2, a), pair(2, b))
        if (pair(1, a) == pair(2, b)) part = part + sigma(pair(2, a), pair(1, b))
        if (pair(2, a) == pair(1, b)) part = part + sigma(pair(1, a), pair(2, b))
        if (pair(2, a) == pair(2, b)) part = part + sigma(pair(1, a), pair(1, b))
        tangent(a, b) = tangent(a, b) + 0.5_dp * part * shear(a) * shear(b)
      end do
    end do
  end subroutine

end module @NAME@_law
