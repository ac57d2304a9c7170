#!/usr/bin/env python3
"""Build CalculiX 2.20 with support of external behaviours, once, into the user's cache folder; print where it is.

Debian's own binaries (2.20, 2.23) are built without that support, so Debian 12's source is compiled in a Debian 12 root that
mmdebstrap makes and removes again. The numerical libraries are linked statically: the program runs in Debian 12 and newer.
"""

import importlib.util
import os
import shutil
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PACKAGES = "make gcc gfortran libarpack2-dev libspooles-dev liblapack-dev bzip2 dpkg-dev ca-certificates"
INSIDE = r"""
set -eu
cd /tmp
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$list" ] && sed -n 's/^deb /deb-src /p' "$list"
done > /tmp/source.list
cp /tmp/source.list /etc/apt/sources.list.d/source.list
apt-get -q update
apt-get -q -y --only-source source --download-only calculix-ccx
tar xf calculix-ccx_2.20.orig.tar.bz2
cd CalculiX/ccx_2.20/src
printf 'include Makefile.inc\nall: $(SCCXF:.f=.o) $(SCCXC:.c=.o) ccx_2.20.o\n' > Make.ours
printf '.c.o:\n\tgcc $(C) -c $<\n.f.o:\n\tgfortran $(F) -c $<\n' >> Make.ours
flags='-O1 -w -fcommon -fPIC -I/usr/include/spooles -DARCH="Linux" -DSPOOLES -DARPACK -DMATRIXSTORAGE -DUSE_MT=1'
make -j"$JOBS" -f Make.ours F='-O1 -w -fPIC -fallow-argument-mismatch -fopenmp' C="$flags -DCALCULIX_EXTERNAL_BEHAVIOURS_SUPPORT"
gfortran -o /tmp/ccx *.o -Wl,--allow-multiple-definition -Wl,-Bstatic -lspooles -larpack -llapack -lblas -Wl,-Bdynamic \
    -static-libgfortran -static-libgcc -fopenmp -lpthread -lm -ldl
"""


def dev_module():
    """The set-up script ``dev``, for its cache folder and its way to run mmdebstrap."""
    sys.dont_write_bytecode = True
    loader = SourceFileLoader("dev_script", str(CHECKOUT / "dev"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("dev_script", loader))
    loader.exec_module(module)
    return module


def main() -> int:
    """Build it where it is not there yet."""
    dev = dev_module()
    program = dev.CACHE / "home" / ".cache" / "constitutive" / "ccx_2.20_behaviours"  # visible inside dev's root
    if not program.exists():
        try:
            with dev.locked(dev.CACHE / "ccx.lock"):
                if not program.exists():
                    build(dev, program)
        except dev.SetupError as error:
            dev.say(error)
            return 2
    sys.stdout.write(f"{program}\n")
    return 0


def build(dev, program: Path) -> None:
    """Compile in a root that is thrown away, and move the program to its place when it is whole."""
    dev.install_host_tools()
    program.parent.mkdir(parents=True, exist_ok=True)
    work = dev.CACHE / f"ccx.building-{os.getpid()}"
    work.mkdir()
    try:
        (work / "inside.sh").write_text(INSIDE)
        command = [
            "mmdebstrap",
            f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
            "--variant=apt",
            "--format=null",
            f"--include={','.join(PACKAGES.split())}",
            f"--customize-hook=copy-in {work}/inside.sh /tmp",
            f'--customize-hook=JOBS={os.cpu_count() or 1} chroot "$1" sh /tmp/inside.sh',
            f"--customize-hook=copy-out /tmp/ccx {work}",
            "bookworm",
            "/dev/null",
            *([os.environ["DEBIAN_MIRROR"]] if os.environ.get("DEBIAN_MIRROR") else []),
        ]
        dev.run_with_progress("building CalculiX 2.20 (5 to 10 minutes, once)", command, dev.CACHE / "ccx.log")
        (work / "ccx").replace(program)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
