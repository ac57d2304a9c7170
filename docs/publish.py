"""Add the documentation of this version to a folder that a web server serves: SITE/0.2.0/, SITE/versions.json, SITE/index.html.

./dev python docs/publish.py SITE [--build]

The theme's version menu reads versions.json. A version that is there is made anew; others are left alone. Without --build the site that
`mkdocs build` has left in results/site is taken.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BUILT = CHECKOUT / "results" / "site"
REDIRECT = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={version}/index.html">'
    '<a href="{version}/index.html">{version}</a>\n'
)


def number(version: str) -> tuple[int, ...]:
    """Of a version, for sorting."""
    return tuple(int(part) for part in version.split("."))


def publish(built: Path, site: Path, version: str) -> list[str]:
    """Copy a built site to its place and list it; all versions, the newest first."""
    target, aside = site / version, site / f".{version}.part"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(built, aside)
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    versions = sorted((p.name for p in site.iterdir() if (p / "index.html").exists() and p.name[0].isdigit()), key=number, reverse=True)
    listed = [{"version": v, "title": v, "aliases": ["latest"] if v == versions[0] else []} for v in versions]
    (site / "versions.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    (site / "index.html").write_text(REDIRECT.format(version=versions[0]), encoding="utf-8")
    return versions


def main() -> None:
    """Publish what is built, or build it first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="the folder that is served")
    parser.add_argument("--build", action="store_true", help="build the documentation first")
    arguments = parser.parse_args()
    if arguments.build:
        subprocess.run([str(Path(sys.executable).with_name("mkdocs")), "build", "--strict"], cwd=CHECKOUT, check=True)
    if not (BUILT / "index.html").exists():
        sys.exit(f"{BUILT} holds no built documentation: add --build")
    from constitutive import __version__

    arguments.site.mkdir(parents=True, exist_ok=True)
    print("versions:", ", ".join(publish(BUILT, arguments.site, __version__)))


if __name__ == "__main__":
    main()
