"""Tables as spreadsheets and programs write them, and tables of strains."""

import numpy as np
import pytest
import reader_oracle as oracle
from scipy.linalg import expm, sqrtm

from constitutive.errors import DataError
from constitutive.readers import ReadOptions, convert

F, SIGMA = oracle.samples()
ASE = oracle.ORDERS["ASE"].split()
TEXT = oracle.csv(F, SIGMA, "GPa")


def read(tmp_path, text, **options):
    (tmp_path / "x.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return convert([tmp_path / "x.csv"], options=ReadOptions(**options))


def comma(text, separator=";"):
    return text.replace(",", separator).replace(".", ",")


VARIANTS = {
    "byte-order mark and Windows lines": ("\ufeff" + TEXT.replace("\n", "\r\n")).encode(),
    "UTF-16, as Excel's Unicode text": TEXT.replace(",", "\t").encode("utf-16"),
    "semicolons": TEXT.replace(",", ";"),
    "semicolons and decimal commas": comma(TEXT),
    "tabulators and decimal commas": comma(TEXT, "\t"),
    "blanks": TEXT.replace(",", "  "),
    "titles in a comment, as numpy.savetxt": "# " + TEXT.replace(",", " "),
    "no last newline": TEXT.rstrip("\n"),
    "decimal commas, no last newline": comma(TEXT).rstrip("\n"),
    "old line ends": TEXT.replace("\n", "\r"),
    "comments between": "# made by hand\n" + TEXT.replace("\n", "\n# note\n", 1),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_one_table(tmp_path, variant):
    data = read(tmp_path, VARIANTS[variant])
    np.testing.assert_allclose(data.F, F, atol=1e-15)
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace(",", ";").replace(".", ",").replace(";", ","), "twice as many|incomplete"),
        (comma(TEXT).replace(",", ".", 1).replace("0,", "0.", 40), "both decimal commas and decimal points|no unit|found"),
        (TEXT.replace("F12", "F11"), "twice"),
        ("\n".join(TEXT.split("\n")[1:]), "without a line of titles"),
        ("# only a comment\n", "no lines but comments"),
        (TEXT.replace(repr(float(SIGMA[1, 0, 0])), "n/a"), "sigma_xx"),
    ],
)
def test_what_cannot_be_determined_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_a_unit_that_contradicts_the_titles(tmp_path):
    with pytest.raises(DataError, match="unit GPa in the file and --unit kbar"):
        read(tmp_path, TEXT, unit="kbar")
    np.testing.assert_allclose(read(tmp_path, oracle.csv(F, 10 * SIGMA), unit="kbar").cauchy, SIGMA, atol=1e-12)


STRETCH = np.array([sqrtm(f.T @ f).real for f in F])
STRAINS = {
    "green-lagrange": (F.swapaxes(1, 2) @ F - np.eye(3)) / 2,
    "small": STRETCH - np.eye(3),
    "hencky": np.array([np.linalg.eigh(U)[1] @ np.diag(np.log(np.linalg.eigh(U)[0])) @ np.linalg.eigh(U)[1].T for U in STRETCH]),
}


def table(strain, shear, names):
    places = [("xyz".index(a), "xyz".index(b)) for a, b in ASE]
    factor = [2.0 if shear == "engineering" and i != j else 1.0 for i, j in places]
    rows = [
        [*(f * e[i, j] for f, (i, j) in zip(factor, places, strict=True)), *oracle.six(s, "ASE")]
        for e, s in zip(strain, SIGMA, strict=True)
    ]
    titles = [*names, *(f"s_{c} [GPa]" for c in ASE)]
    return "\n".join([",".join(titles), *(",".join(repr(float(v)) for v in row) for row in rows)]) + "\n"


PLAIN = [f"e_{c}" for c in ASE]
GAMMA = [*(f"eps_{c}" for c in ASE[:3]), *(f"gamma_{c}" for c in ASE[3:])]
NUMBERED = [f"e{k}" for k in range(1, 7)]


@pytest.mark.parametrize("measure", STRAINS)
@pytest.mark.parametrize("shear", ["engineering", "tensor"])
@pytest.mark.parametrize("names", [PLAIN, NUMBERED])
def test_voigt_strains_with_their_measure(tmp_path, measure, shear, names):
    data = read(tmp_path, table(STRAINS[measure], shear, names), strain=measure, shear=shear)
    np.testing.assert_allclose(data.F, STRETCH, atol=1e-12)
    np.testing.assert_allclose(data.cauchy, SIGMA, atol=1e-12)
    assert any(measure in text and "without rotation" in text for text in data.provenance["assumed"])
    other = read(
        tmp_path, table(STRAINS[measure], shear, names), strain=measure, shear={"engineering": "tensor", "tensor": "engineering"}[shear]
    )
    assert np.abs(other.F - STRETCH).max() > 1e-3  # control: the factor 2 counts


def test_hencky_strain_against_the_exponential(tmp_path):
    data = read(tmp_path, table(STRAINS["hencky"], "tensor", PLAIN), strain="hencky", shear="tensor")
    np.testing.assert_allclose(data.F, [expm(H) for H in STRAINS["hencky"]], atol=1e-12)


def test_columns_named_gamma_are_engineering_strains(tmp_path):
    text = table(STRAINS["green-lagrange"], "engineering", GAMMA)
    np.testing.assert_allclose(read(tmp_path, text, strain="green-lagrange").F, STRETCH, atol=1e-12)
    with pytest.raises(DataError, match="gamma"):
        read(tmp_path, text, strain="green-lagrange", shear="tensor")


def test_strains_need_their_measure(tmp_path):
    with pytest.raises(DataError, match=r"measure not in the table.*--strain"):
        read(tmp_path, table(STRAINS["small"], "tensor", PLAIN))
    with pytest.raises(DataError, match="--shear"):
        read(tmp_path, table(STRAINS["small"], "tensor", PLAIN), strain="small")
    with pytest.raises(DataError, match="F and --strain"):
        read(tmp_path, TEXT, strain="small")
    with pytest.raises(DataError, match="per cent"):
        read(tmp_path, table(-60 * np.eye(3) + STRAINS["small"], "tensor", PLAIN), strain="small", shear="tensor")
