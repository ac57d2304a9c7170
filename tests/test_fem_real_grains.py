"""Meshes and maps that Neper and a microscope wrote: the readers on files that are not ours."""

import re
from pathlib import Path

import numpy as np
import pytest
import ufl
from dolfinx import fem
from mpi4py import MPI
from scipy.spatial.transform import Rotation

from constitutive import Material
from constitutive.errors import DataError
from constitutive.fem import disorientation, read_grain_map, read_neper_mesh, read_orientations

# the two orientations of the mesh as Neper wrote them in other descriptors, in the same folder of FEPX's tests (26, 28, 29, 30)
DESCRIPTORS = {
    "euler-kocks:active": "1 185.270156451555 80.072535051284 146.335386748008\n2 165.984842545419 78.438807181793 311.813165532991",
    "axis-angle:active": "1 0.644975177248 -0.163170612993 -0.746580452322 150.433376578065\n"
    "2 -0.486015196430 -0.805644934720 0.338711481941 84.445437417148",
    "quaternion:active": "1 0.255164144719 0.623625047786 -0.157769298593 -0.721866959658\n"
    "2 0.740538189917 -0.326609151123 -0.541404898794 0.227618951845",
    "quaternion:passive": "1 0.255164144719 -0.623625047786 0.157769298593 0.721866959658\n"
    "2 0.740538189917 0.326609151123 0.541404898794 -0.227618951845",
}


@pytest.fixture(scope="module")
def folder(checkout: Path) -> Path:
    return checkout / "fem_examples" / "data"


def test_a_mesh_that_neper_wrote(folder: Path) -> None:
    m, tags = read_neper_mesh(folder / "bicrystal.msh", MPI.COMM_WORLD)
    assert np.bincount(tags.values).tolist() == [0, 8, 8]
    assert m.geometry.cmap.degree == 2
    assert fem.assemble_scalar(fem.form(fem.Constant(m, 1.0) * ufl.dx)) == pytest.approx(1)
    turns = read_orientations(folder / "bicrystal.msh")
    assert sorted(turns) == [1, 2]


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_orientations_in_all_of_nepers_words_are_one(descriptor: str, folder: Path, tmp_path: Path) -> None:
    text = (folder / "bicrystal.msh").read_text()
    block = f"$ElsetOrientations\n2 {descriptor}\n{DESCRIPTORS[descriptor]}\n$EndElsetOrientations\n"
    (tmp_path / "other.msh").write_text(re.sub(r"\$ElsetOrientations.*", block, text, flags=re.DOTALL))
    ours, theirs = read_orientations(folder / "bicrystal.msh"), read_orientations(tmp_path / "other.msh")
    for grain in (1, 2):
        assert theirs[grain] == pytest.approx(ours[grain], abs=1e-9)
        assert not np.allclose(theirs[grain], ours[grain].T, atol=0.1)  # control: the inverse is another


def test_a_measured_map(folder: Path) -> None:
    material = Material.load("magnesium")
    path = folder / "zircaloy.ctf"
    with pytest.raises(DataError, match="oblique"):
        read_grain_map(path, material, frame="oxford")
    grains = read_grain_map(path, material, frame="oxford", crystal_axes="x||a*")
    assert grains.grid.tags.shape == (40, 5)
    assert grains.grid.spacing == pytest.approx([0.5, 0.5])
    assert grains.indexed.sum() == 190
    assert np.bincount(grains.grid.tags.ravel()).tolist() == [0, 45, 113, 5, 24, 13]
    assert max(grains.spread().values()) < 0.6  # degrees within a grain; between grains 10 and more
    near = disorientation(
        np.stack([grains.orientations[k] for k in (1, 2, 4)]),
        np.stack([grains.orientations[k] for k in (2, 3, 5)]),
        material.point_group.laue_rotations,
    )
    assert near.min() > 10


def test_the_map_holds_the_microscopes_angles(folder: Path) -> None:
    """The point at (10, 1): Euler angles 112.72, 56.517, 8.4316; c lies as Bunge's matrix says, turned by the frame of the map."""
    grains = read_grain_map(folder / "zircaloy.ctf", Material.load("magnesium"), frame="oxford", crystal_axes="x||a*")
    passive = Rotation.from_euler("ZXZ", [112.72, 56.517, 8.4316], degrees=True).as_matrix()
    assert grains.points[20, 2][:, 2] == pytest.approx(np.diag([1, -1, -1]) @ passive[:, 2], abs=1e-9)
