"""MFront and MOOSE: generated files that call the C library. Neither program is packaged for tests: only their form is checked."""

from __future__ import annotations

from constitutive.export.subject import Subject, header

MFRONT = """\
{head}
@DSL DefaultFiniteStrain;
@Behaviour {behaviour};
@Material {behaviour};
@Description{{
  "Hyperelastic law of a crystal, evaluated by the C library {name}.c beside this file."
}}
@ModellingHypothesis Tridimensional;
@Includes{{
#include "{name}.h"
}}
@Link{{"-l{name}"}};

// Rotation from crystal to global axes, row by row; the identity without a turn.
@MaterialProperty real R[9];
@StateVariable real energy;
@StateVariable real outside;
@StateVariable real deviation;
@LocalVariable tfel::math::st2tost2<3u, real> dS;

@Integrator{{
  // the stress components of MFront: 11 22 33 r2.12 r2.13 r2.23; of the library: 11 22 33 r2.23 r2.13 r2.12
  constexpr int place[6] = {{0, 1, 2, 5, 4, 3}};
  const auto E = computeGreenLagrangeTensor(F1);
  double x[6], turn[9], s[6], c[36], psi, norm;
  for (int a = 0; a != 6; ++a) x[place[a]] = E(a);
  for (int a = 0; a != 9; ++a) turn[a] = R[a];
  const int state = {name}_mandel(x, turn, &psi, s, c, &norm);
  if (state == {upper}_FAILED{stop}) return FAILURE;
  StressStensor S;
  for (int a = 0; a != 6; ++a) {{
    S(a) = s[place[a]];
    for (int b = 0; b != 6; ++b) dS(a, b) = c[6 * place[a] + place[b]];
  }}
  sig = convertSecondPiolaKirchhoffStressToCauchyStress(S, F1);
  energy = psi;
  outside = state;
  deviation = norm;
}}

@TangentOperator<DS_DEGL>{{
  static_cast<void>(smt);
  DS_DEGL = dS;
}}

@InternalEnergy{{
  Psi_s = energy;
}}
"""


def mfront(subject: Subject) -> dict[str, str]:
    """An MFront behaviour."""
    head = "".join(f"// {line}\n" for line in header(subject))
    behaviour = "".join(part.capitalize() for part in subject.name.split("_"))
    stop = f" || state == {subject.name.upper()}_OUTSIDE" if subject.stops else ""
    text = MFRONT.format(head=head, behaviour=behaviour, name=subject.name, upper=subject.name.upper(), stop=stop)
    return {f"{behaviour}.mfront": text}


MOOSE_HEADER = """\
{head}#pragma once

#include "ComputeLagrangianStressPK2.h"

/// Stress of a crystal by the C library {name}.c: second Piola-Kirchhoff stress and its derivative by the Green-Lagrange strain.
class {cls} : public ComputeLagrangianStressPK2
{{
public:
  static InputParameters validParams();
  {cls}(const InputParameters & parameters);

protected:
  virtual void computeQpPK2Stress() override;

  const RankTwoTensor _rotation;
}};
"""
MOOSE_SOURCE = """\
{head}#include "{cls}.h"
#include "RotationTensor.h"
#include "{name}.h"

registerMooseObject("SolidMechanicsApp", {cls});

InputParameters
{cls}::validParams()
{{
  InputParameters params = ComputeLagrangianStressPK2::validParams();
  params.addClassDescription("Hyperelastic law of a crystal ({unit})");
  params.addParam<RealVectorValue>("euler_angles", RealVectorValue(0, 0, 0), "Bunge's Euler angles in degrees");
  return params;
}}

{cls}::{cls}(const InputParameters & parameters)
  : ComputeLagrangianStressPK2(parameters), _rotation(RotationTensor(getParam<RealVectorValue>("euler_angles")).transpose())
{{
}}

void
{cls}::computeQpPK2Stress()
{{
  double E[9], R[9], energy, S[9], C[81];
  for (const auto i : make_range(3))
    for (const auto j : make_range(3))
      E[3 * i + j] = _E[_qp](i, j), R[3 * i + j] = _rotation(i, j);
  const int state = {name}_from_strain(E, R, &energy, S, C, nullptr);
  if (state == {upper}_FAILED{stop})
    throw MooseException("{name}: no stress at this strain; the step is cut");
  for (const auto i : make_range(3))
    for (const auto j : make_range(3))
    {{
      _S[_qp](i, j) = S[3 * i + j];
      for (const auto k : make_range(3))
        for (const auto l : make_range(3))
          _C[_qp](i, j, k, l) = C[27 * i + 9 * j + 3 * k + l];
    }}
}}
"""


def moose_hook(subject: Subject) -> dict[str, str]:
    """A MOOSE material class for the Lagrangian kernels (large_kinematics = true)."""
    cls = "Compute" + "".join(part.capitalize() for part in subject.name.split("_")) + "Stress"
    names = {
        "head": "".join(f"// {line}\n" for line in header(subject)),
        "cls": cls,
        "name": subject.name,
        "upper": subject.name.upper(),
        "unit": subject.unit,
        "stop": f" || state == {subject.name.upper()}_OUTSIDE" if subject.stops else "",
    }
    return {f"{cls}.h": MOOSE_HEADER.format(**names), f"{cls}.C": MOOSE_SOURCE.format(**names)}
