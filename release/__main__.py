"""Builds the wheels, the source distribution and the archives of the library.

    make wheels                              into dist/
    python -m release --output FOLDER        with release/requirements.txt installed

The same commit gives the same bytes. GCC compiles, for both machines on either: the kernels are
tuned and measured with it. Zig links, since it brings the symbols of glibc 2.28 for both. As a
compiler it would not do: in what it builds alone no CPU has AVX, as the compiler_rt of 0.17 has
but a stub of __cpu_indicator_init.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .archive import unpack, write_archive
from .library import write_library
from .machines import GLIBC, MACHINES, PROJECT, Machine, build_environment


def main() -> None:
    """Build into a folder, and list what was built."""
    parser = argparse.ArgumentParser(
        prog="python -m release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=PROJECT / "dist", help="(%(default)s)")
    arguments = parser.parse_args()
    os.umask(0o022)  # the permissions of files are in the archives
    if "SOURCE_DATE_EPOCH" not in os.environ:
        os.environ["SOURCE_DATE_EPOCH"] = commit_time()
    with tempfile.TemporaryDirectory() as folder:
        for path in build(Path(folder)):
            arguments.output.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, arguments.output)
            print(f"{arguments.output / path.name}  {path.stat().st_size / 1e6:.2f} MB")


def commit_time() -> str:
    """Return when the commit was made, in seconds since 1970."""
    return subprocess.run(
        ["git", "-C", PROJECT, "log", "-1", "--format=%ct"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def build(folder: Path) -> list[Path]:
    """Build everything from the source distribution alone; return what was made."""
    source_distribution = build_source(folder / "source")

    def build_for(machine: Machine) -> list[Path]:
        source = unpack(source_distribution, folder / machine.name)
        wheel = build_wheel(machine, source, folder / "wheels")
        return [wheel, write_library(machine, wheel, folder / "libraries")]

    with ThreadPoolExecutor() as pool:
        built = list(pool.map(build_for, MACHINES))
    return [source_distribution, *(path for paths in built for path in paths)]


def build_source(folder: Path) -> Path:
    """Build the source distribution, the same bytes for the same files."""
    run_build("--sdist", "--outdir", folder, PROJECT)
    (built,) = folder.glob("*.tar.gz")
    contents = unpack(built, folder / "contents")
    for path in contents.rglob("*"):
        if path.suffix == ".egg-info":
            shutil.rmtree(path)  # setuptools makes it again
    return write_archive(contents, folder / "again" / built.name)


def build_wheel(machine: Machine, source: Path, folder: Path) -> Path:
    """Build the wheel of a machine, and see whether it is what its name promises."""
    platform = f"--config-setting=--build-option=--plat-name={machine.platform}"
    environment = build_environment(machine, source)
    outdir = folder / machine.name
    run_build("--wheel", platform, "--outdir", outdir, source, env=environment)
    (wheel,) = outdir.glob("*.whl")
    shown = " ".join(run([sys.executable, "-m", "auditwheel", "show", wheel]).split())
    found = re.search(rf'the following platform tag: "manylinux_2_(\d+)_{machine.name}"', shown)
    if found is None or int(found[1]) > int(GLIBC.partition(".")[2]):
        sys.exit(f"{wheel.name}: must be what its name says, but auditwheel shows: {shown}")
    return wheel


def run_build(*arguments: str | os.PathLike[str], env: dict[str, str] | None = None) -> None:
    """Run the build frontend, with the tools of this environment."""
    options = ["--no-isolation", "--skip-dependency-check"]
    run([sys.executable, "-m", "build", *options, *arguments], env)


def run(command: list[str | os.PathLike[str]], env: dict[str, str] | None = None) -> str:
    """Run a program; return what it printed, or end with that if it failed."""
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )
    if done.returncode:
        sys.exit(f"{done.stdout[-6000:]}\n{' '.join(map(str, command))}: failed")
    return done.stdout


if __name__ == "__main__":
    main()
