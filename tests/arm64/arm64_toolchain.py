"""Compiling for ARM64 and running the result under qemu-user."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parents[2]
KERNELS = PROJECT / "cython_kernels"
COMPILER = "aarch64-linux-gnu-gcc"
LIBRARIES = Path("/usr/aarch64-linux-gnu/lib")  # where Debian puts them
TOOLS = (COMPILER, "aarch64-linux-gnu-nm", "aarch64-linux-gnu-objdump", "qemu-aarch64")

# A Neoverse N1. ONNX Runtime reads this file to learn about the CPU, and qemu-user would show it
# the host's.
CPUINFO = """\
processor\t: {processor}
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

"""


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def compile_flags() -> list[str]:
    """Return the flags with which setup.py compiles the kernels."""
    for statement in ast.parse((PROJECT / "setup.py").read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets) == "COMPILE_FLAGS":
            return ast.literal_eval(statement.value)
    raise AssertionError("setup.py must define COMPILE_FLAGS")


def tool_output(*command: str | os.PathLike[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_emulated_root(folder: Path) -> Path:
    """Return a root folder for emulated programs: the cross compiler's libraries and a CPU."""
    (folder / "lib").symlink_to(LIBRARIES)
    (folder / "proc").mkdir()
    processors = range(os.cpu_count() or 1)
    (folder / "proc" / "cpuinfo").write_text(
        "".join(CPUINFO.format(processor=number) for number in processors)
    )
    return folder


def emulate(
    root: Path, *command: str | os.PathLike[str], **environment: str | os.PathLike[str]
) -> subprocess.CompletedProcess[str]:
    """Run an ARM64 program with extra environment variables."""
    settings = [part for name in environment for part in ("-E", f"{name}={environment[name]}")]
    return subprocess.run(
        ["qemu-aarch64", "-L", root, *settings, *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
