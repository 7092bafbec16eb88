"""The machines that releases are for, and how to compile for each on any of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
GLIBC = "2.28"


@dataclass(frozen=True)
class Machine:
    """A processor, as ``uname -m`` calls it."""

    name: str

    @property
    def platform(self) -> str:
        """What the wheel's name says of where it runs."""
        return f"manylinux_{GLIBC.replace('.', '_')}_{self.name}"

    @property
    def compiler(self) -> str:
        """GCC, as Debian calls it."""
        return f"{self.name}-linux-gnu-gcc"


MACHINES = (Machine("x86_64"), Machine("aarch64"))


def build_environment(machine: Machine, folder: Path) -> dict[str, str]:
    """Return the environment in which setup.py, in this folder, builds for the machine."""
    compiler = shutil.which(machine.compiler)
    if compiler is None:
        sys.exit(
            f"{machine.compiler}: not installed; tests/arm64/install.sh installs the one for ARM64"
        )
    libgcc = subprocess.run(
        [compiler, "-print-libgcc-file-name"], check=True, capture_output=True, text=True
    ).stdout.strip()
    linker = f"{sys.executable} -m ziglang cc -target {machine.name}-linux-gnu.{GLIBC} -shared"
    headers = folder / "headers"
    headers.mkdir()
    # Debian's pyconfig.h includes the one of the machine that is compiled for; the one that is
    # there serves, as both are LP64.
    multiarch = sysconfig.get_config_var("MULTIARCH")
    (headers / f"{machine.name}-linux-gnu").symlink_to(Path("/usr/include", multiarch))
    return os.environ | {
        "CC": compiler,
        # Python's own -g would put paths of this machine into the objects.
        "CFLAGS": f"-g0 -ffile-prefix-map={folder}=.",
        "CPATH": os.fspath(headers),
        "LDSHARED": linker,
        # What GCC's __builtin_cpu_supports calls; Zig has only a stub of it.
        "LDFLAGS": f"-s {libgcc}",
    }
