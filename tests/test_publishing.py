"""What a release needs agrees with the project: recipe, container file, citation, versions of the documentation."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

CONDA_NAMES = {"matplotlib": "matplotlib-base", "torch": "pytorch"}  # other names on conda-forge


@pytest.fixture(scope="module")
def project(checkout: Path) -> dict:
    return tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def recipe(checkout: Path) -> dict:
    return yaml.safe_load((checkout / "packaging" / "conda-forge" / "recipe.yaml").read_text(encoding="utf-8"))


def conda(requirement: str) -> str:
    """A requirement as conda writes it."""
    name, bounds = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
    return f"{CONDA_NAMES.get(name, name)} {bounds}".strip()


def test_the_recipe_has_the_projects_version_and_dependencies(recipe: dict, project: dict) -> None:
    assert recipe["context"]["version"] == project["version"]
    python, *run = recipe["requirements"]["run"]
    assert sorted(run) == sorted(conda(requirement) for requirement in project["dependencies"])
    assert project["requires-python"] == f">={recipe['context']['python_min']}"
    assert python == "python >=${{ python_min }}"
    (entry,) = recipe["build"]["python"]["entry_points"]
    name, _, target = entry.partition(" = ")
    assert project["scripts"] == {name: target}
    assert recipe["about"]["license"] == project["license"]
    assert recipe["about"]["summary"] == project["description"]


def test_the_recipe_has_the_parts_of_the_format(recipe: dict, checkout: Path) -> None:
    """The top level of prefix-dev's recipe format 1."""
    assert recipe["schema_version"] == 1
    assert set(recipe) == {"schema_version", "context", "package", "source", "build", "requirements", "tests", "about", "extra"}
    assert re.fullmatch(r"[0-9a-f]{64}", recipe["source"]["sha256"])
    assert (checkout / recipe["about"]["license_file"]).exists()
    used = set(re.findall(r"\$\{\{ (\w+) \}\}", (checkout / "packaging" / "conda-forge" / "recipe.yaml").read_text(encoding="utf-8")))
    assert used <= {*recipe["context"], "PYTHON"}


@pytest.fixture(scope="module")
def container(checkout: Path) -> list[tuple[str, str]]:
    """Instructions and arguments of the container file, continued lines joined."""
    text = (checkout / "packaging" / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_container_is_made_of_what_is_there(container: list[tuple[str, str]], checkout: Path) -> None:
    known = {"FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {instruction for instruction, _ in container} <= known
    for instruction, arguments in container:
        if instruction == "COPY":
            assert all((checkout / source).exists() for source in arguments.split()[:-1])
        if instruction in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(arguments), list)
    assert container[0][0] == "FROM"
    assert ":" in container[0][1]  # a tag
    assert [arguments for instruction, arguments in container if instruction == "USER"] == ["1000"]  # the one that useradd makes


def test_the_container_has_the_debian_packages_of_the_tests(container: list[tuple[str, str]], checkout: Path) -> None:
    """A subset of those of ./dev: whatever is in the image is tested."""
    (install,) = [arguments for instruction, arguments in container if "apt-get install" in arguments]
    packages = set(install.partition("--no-install-recommends")[2].partition("&&")[0].split())
    listed = re.search(r"ROOT_PACKAGES = \((.*?)\n\)\.split\(\)", (checkout / "dev").read_text(encoding="utf-8"), re.DOTALL)[1]
    tested = {word for part in re.findall(r'"([^"]*)"', listed) for word in part.split()}
    assert packages <= tested
    assert {"python3-dolfinx", "python3-dolfinx-real", "python3-venv", "g++"} <= packages


def test_the_citation_has_the_fields_of_its_format(checkout: Path, project: dict) -> None:
    """Citation File Format 1.2.0: required fields, and a version that is the project's."""
    cff = yaml.safe_load((checkout / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cff)
    assert cff["cff-version"] == "1.2.0"
    assert cff["version"] == project["version"]
    for reference in cff["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)


def test_one_version_everywhere(project: dict) -> None:
    import constitutive

    assert constitutive.__version__ == project["version"]


# ---- versions of the documentation ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def publisher(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("publish", checkout / "docs" / "publish.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_versions_stand_side_by_side(publisher: ModuleType, tmp_path: Path) -> None:
    built, site = tmp_path / "built", tmp_path / "site"
    built.mkdir()
    site.mkdir()
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        (built / "index.html").write_text(version)
        publisher.publish(built, site, version)
    assert [(site / v / "index.html").read_text() for v in ("0.2.0", "0.9.0", "0.10.0")] == ["0.2.0", "0.9.0", "0.10.0"]
    listed = json.loads((site / "versions.json").read_text())
    assert [entry["version"] for entry in listed] == ["0.10.0", "0.9.0", "0.2.0"]
    assert [entry["aliases"] for entry in listed] == [["latest"], [], []]
    assert "0.10.0/index.html" in (site / "index.html").read_text()


def test_a_version_is_made_anew(publisher: ModuleType, tmp_path: Path) -> None:
    built, site = tmp_path / "built", tmp_path / "site"
    built.mkdir()
    site.mkdir()
    (built / "index.html").write_text("first")
    (built / "old.html").write_text("")
    publisher.publish(built, site, "0.1.0")
    (built / "old.html").unlink()
    (built / "index.html").write_text("second")
    assert publisher.publish(built, site, "0.1.0") == ["0.1.0"]
    assert (site / "0.1.0" / "index.html").read_text() == "second"
    assert sorted(path.name for path in site.iterdir()) == ["0.1.0", "index.html", "versions.json"]
    assert not (site / "0.1.0" / "old.html").exists()
