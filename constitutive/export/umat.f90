
!> The interface of Abaqus.
!>   PROPS   orientation: none (NPROPS 0 or 1), Bunge's Euler angles in degrees (3), or R from crystal to global axes row by row (9)
!>   STATEV  (1) strain energy, (2) 1 outside the domain, (3) norm of the standard deviation of S (-1: not stated); as many as there are
!>   PNEWDT  0.5 where det F <= 0, a number is not finite, or the strain is outside and the policy is to stop
subroutine umat(stress, statev, ddsdde, sse, spd, scd, rpl, ddsddt, drplde, drpldt, stran, dstran, time, dtime, temp, dtemp, &
    predef, dpred, cmname, ndi, nshr, ntens, nstatv, props, nprops, coords, drot, pnewdt, celent, dfgrd0, dfgrd1, noel, npt, &
    layer, kspt, jstep, kinc)
  use, intrinsic :: iso_fortran_env, only: dp => real64, error_unit
  use @NAME@_law
  implicit none
  integer :: ndi, nshr, ntens, nstatv, nprops, noel, npt, layer, kspt, jstep(*), kinc
  character(len=80) :: cmname
  real(dp) :: stress(ntens), statev(*), ddsdde(ntens, ntens), sse, spd, scd, rpl, ddsddt(ntens), drplde(ntens), drpldt
  real(dp) :: stran(ntens), dstran(ntens), time(2), dtime, temp, dtemp, predef(*), dpred(*), props(*), coords(3), drot(3, 3)
  real(dp) :: pnewdt, celent, dfgrd0(3, 3), dfgrd1(3, 3)
  integer, parameter :: place(6) = [1, 2, 3, 6, 5, 4], pair(2, 6) = reshape([1, 1, 2, 2, 3, 3, 2, 3, 1, 3, 1, 2], [2, 6])
  real(dp), parameter :: root2 = sqrt(2.0_dp), shear(6) = [1.0_dp, 1.0_dp, 1.0_dp, root2, root2, root2]
  real(dp) :: R(3, 3), G(3, 3), e(6), h(6), s(6), c(6, 6), psi, deviation, J, identity(3, 3), angle(3), co(3), si(3)
  integer :: a, b, state
  logical :: linear

  if (ndi /= 3 .or. ntens /= ndi + nshr) then
    write (error_unit, '(a)') '@NAME@: the law needs solid, plane-strain or axisymmetric elements'
    stop 1
  end if
  identity = reshape([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3])
  R = identity
  if (nprops == 3) then
    angle = props(1:3) * acos(-1.0_dp) / 180
    co = cos(angle)
    si = sin(angle)
    R(1, :) = [co(1) * co(3) - si(1) * si(3) * co(2), -co(1) * si(3) - si(1) * co(3) * co(2), si(1) * si(2)]
    R(2, :) = [si(1) * co(3) + co(1) * si(3) * co(2), -si(1) * si(3) + co(1) * co(3) * co(2), -co(1) * si(2)]
    R(3, :) = [si(3) * si(2), co(3) * si(2), co(2)]
  else if (nprops == 9) then
    R = transpose(reshape(props(1:9), [3, 3]))
    G = matmul(transpose(R), R)
    if (.not. (maxval(abs(G - identity)) < 1e-2_dp .and. det(R) > 0)) then
      write (error_unit, '(a)') '@NAME@: the nine constants are no rotation'
      stop 1
    end if
    do a = 1, 3 ! numbers of an input file are rounded
      R = 1.5_dp * R - 0.5_dp * matmul(R, matmul(transpose(R), R))
    end do
  else if (nprops > 1) then
    write (error_unit, '(a)') '@NAME@: needed are 0, 3 (Bunge, degrees) or 9 (crystal to global) constants'
    stop 1
  end if

  e = 0
  e(place(1:ntens)) = (stran + dstran) / shear(place(1:ntens))
  do a = 1, 6
    h(a) = 0.5_dp * (dfgrd1(pair(1, a), pair(2, a)) + dfgrd1(pair(2, a), pair(1, a))) * shear(a) - identity(pair(1, a), pair(2, a))
  end do
  ! a geometrically linear step gives no F, or its linear strain
  linear = maxval(abs(dfgrd1 - identity)) <= 0 .or. maxval(abs(h - e)) <= 1e-14_dp
  J = 1
  if (.not. linear) then
    J = det(dfgrd1)
    do a = 1, 6
      e(a) = 0.5_dp * (dot_product(dfgrd1(:, pair(1, a)), dfgrd1(:, pair(2, a))) - identity(pair(1, a), pair(2, a))) * shear(a)
    end do
  end if
  state = @NAME@_failed
  if (J > 0) call @NAME@_mandel(e, R, psi, s, c, deviation, state)
  if (nstatv > 1) statev(2) = merge(0, 1, state == @NAME@_inside)
  if (state == @NAME@_failed .or. (state == @NAME@_outside .and. stops)) then
    pnewdt = merge(pnewdt, 0.5_dp, pnewdt > 0 .and. pnewdt < 0.5_dp)
    e = 0
    call @NAME@_mandel(e, R, psi, s, c, deviation, state) ! something finite for the rest of this iteration
  else
    if (nstatv > 0) statev(1) = psi
    if (nstatv > 2) statev(3) = deviation
    sse = psi / J
    if (.not. linear) call @NAME@_push_forward(dfgrd1, s, c)
  end if
  do b = 1, ntens
    stress(b) = s(place(b)) / shear(place(b))
    do a = 1, ntens
      ddsdde(a, b) = c(place(a), place(b)) / shear(place(a)) / shear(place(b))
    end do
  end do

contains

  pure real(dp) function det(F)
    real(dp), intent(in) :: F(3, 3)
    det = F(1, 1) * (F(2, 2) * F(3, 3) - F(2, 3) * F(3, 2)) - F(1, 2) * (F(2, 1) * F(3, 3) - F(2, 3) * F(3, 1)) &
      + F(1, 3) * (F(2, 1) * F(3, 2) - F(2, 2) * F(3, 1))
  end function

end subroutine umat
