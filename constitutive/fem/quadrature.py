"""The law's own quadrature: its rule for each element, its measure, and arrays over its points.

FFCx takes the rule of a quadrature Function that it finds in an integral, whatever the measure says: so the law owns
a measure, and loads keep theirs.
"""

from __future__ import annotations

from collections.abc import Callable

import basix
import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.mesh import Mesh
from ufl.core.expr import Expr
from ufl.finiteelement import AbstractFiniteElement

from constitutive.errors import SolveError
from constitutive.fem import compat


def default_degree(u: Expr, mesh: Mesh) -> int:
    """Degree of the rule that integrates the stiffness of an undistorted element exactly.

    Simplices of degree k take 2(k − 1), one point for linear ones and four for quadratic tetrahedra; the others,
    whose gradients are of degree k in each direction, take 2k: the usual 2×2×2 and 3×3×3 Gauss points. Curved cells
    take 2(g − 1) more for a geometry of degree g.

    Parameters
    ----------
    u : UFL expression
        The displacement.
    mesh : Mesh

    Returns
    -------
    int
    """
    degree = function_degree(u)
    curved = 2 * (compat.geometry_degree(mesh) - 1)
    simplex = compat.cell_name(mesh) in ("triangle", "tetrahedron")
    return max(2 * (degree - 1), 1) + curved if simplex else 2 * degree + curved


def function_degree(u: Expr) -> int:
    """Highest degree of the Functions in an expression.

    Parameters
    ----------
    u : UFL expression

    Returns
    -------
    int
    """
    return max(element_degree(coefficient.ufl_element()) for coefficient in ufl.algorithms.extract_coefficients(ufl.as_ufl(u)))


def element_degree(element: AbstractFiniteElement) -> int:
    """Highest degree of the complete polynomials in an element (k for P_k and Q_k), the largest over the parts of a mixed one.

    Parameters
    ----------
    element : UFL element

    Returns
    -------
    int
    """
    parts = element.sub_elements if element.block_size == 1 else []
    return max(map(element_degree, parts)) if parts else int(element.embedded_subdegree)


class QuadraturePoints:
    """The quadrature points of one rule on the cells that this rank owns.

    Attributes
    ----------
    per_cell : int
        Points in each cell.
    cells : int
        Cells that this rank owns; points are numbered cell by cell.
    dx : ufl.Measure
        The law's own measure on the whole mesh.
    """

    def __init__(self, mesh: Mesh, degree: int) -> None:
        self.mesh = mesh
        self.degree = degree
        if not 0 < degree <= 30:
            raise SolveError(f"quadrature degree {degree}: rules of degree 1 to 30 exist")
        self.dx = ufl.Measure("dx", domain=mesh, metadata={"quadrature_degree": degree, "quadrature_scheme": "default"})
        self.cells = mesh.topology.index_map(mesh.topology.dim).size_local
        self.reference = compat.interpolation_points(self.space(()))
        self.per_cell = len(self.reference)
        self._weights: np.ndarray | None = None

    @property
    def count(self) -> int:
        """Points that this rank owns."""
        return self.cells * self.per_cell

    def space(self, shape: tuple[int, ...]) -> fem.FunctionSpace:
        """Function space with one value of a shape at each point.

        Parameters
        ----------
        shape : tuple
            Of one value: () for a scalar.

        Returns
        -------
        FunctionSpace
        """
        element = basix.ufl.quadrature_element(compat.cell_name(self.mesh), value_shape=shape, scheme="default", degree=self.degree)
        return fem.functionspace(self.mesh, element)

    def function(self, size: int, name: str) -> PointFunction:
        """Make a Function with ``size`` numbers at each point, zero at first.

        Parameters
        ----------
        size : int
        name : str
            Of the Function.

        Returns
        -------
        PointFunction
        """
        return PointFunction(self, fem.Function(self.space((size,) if size > 1 else ()), name=name), size)

    def weights(self) -> np.ndarray:
        """Volume (points,) that each point of this rank stands for; collective at the first call.

        Returns
        -------
        array (points,)
            In the mesh's length cubed (squared in the plane).
        """
        if self._weights is None:
            rule = basix.make_quadrature(self.mesh.basix_cell(), self.degree)[1]
            detJ = self.expression(abs(ufl.JacobianDeterminant(self.mesh)))(np.arange(self.cells, dtype=np.int32))
            self._weights = (detJ.reshape(-1, self.per_cell) * rule).ravel()
        return self._weights

    def dof_order(self, function: fem.Function) -> np.ndarray:
        """Places in a quadrature Function's array of the values at this rank's points, point by point.

        Parameters
        ----------
        function : Function
            On the points.

        Returns
        -------
        int array
        """
        size = int(np.prod(function.ufl_shape, dtype=int))
        dofs = function.function_space.dofmap.list[: self.cells].ravel()
        return (dofs[:, None] * size + np.arange(size)).ravel()

    def expression(self, expression: Expr) -> Callable[[np.ndarray], np.ndarray]:
        """Compile a UFL expression into a function of cells that gives (points, size) values.

        Collective, also on ranks that own no cell: the compiler runs on one rank while the others wait for it.

        Parameters
        ----------
        expression : UFL expression

        Returns
        -------
        callable
            Of local cell numbers.
        """
        size = int(np.prod(expression.ufl_shape, dtype=int))
        compiled = fem.Expression(expression, self.reference)

        def evaluate(cells: np.ndarray) -> np.ndarray:
            if not len(cells):
                return np.zeros((0, size))
            return compiled.eval(self.mesh, cells).reshape(-1, size)

        return evaluate


class PointFunction:
    """A quadrature Function whose values are read and written as an array over cells and points.

    Parameters
    ----------
    points : QuadraturePoints
    function : Function
        On them.
    size : int
        Numbers at a point.
    """

    def __init__(self, points: QuadraturePoints, function: fem.Function, size: int) -> None:
        self.function = function
        self.size = size
        dofs = function.function_space.dofmap.list[: points.cells]
        plain = np.array_equal(dofs.ravel(), np.arange(points.count, dtype=dofs.dtype))
        self._dofs = None if plain else np.ascontiguousarray(dofs)
        self._points = points

    @property
    def _rows(self) -> np.ndarray:
        return self.function.x.array.reshape(-1, self.size)

    def view(self) -> np.ndarray | None:
        """All values (cells, points per cell, size), writable in place, or None where the numbering does not allow it.

        Returns
        -------
        array or None
        """
        points = self._points
        return self._rows[: points.count].reshape(points.cells, points.per_cell, self.size) if self._dofs is None else None

    def write(self, cells: np.ndarray | slice, values: np.ndarray) -> None:
        """Set the values at the points of some cells.

        Parameters
        ----------
        cells : int array or slice
            Local cell numbers.
        values : array (points, size)
        """
        view = self.view()
        if view is not None:
            view[cells] = values.reshape(-1, self._points.per_cell, self.size)
        elif self._dofs is not None:
            self._rows[self._dofs[cells].ravel()] = values.reshape(-1, self.size)

    def read(self, cells: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Values (points, size) at the points of some cells.

        Parameters
        ----------
        cells : int array or slice
            Local cell numbers; all by default.

        Returns
        -------
        array (points, size)
        """
        view = self.view()
        if view is not None:
            return view[cells].reshape(-1, self.size)
        return self._rows[self._dofs[cells].ravel()]  # type: ignore[index] # set where there is no view
