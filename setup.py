"""Builds the native code: one set of objects, linked as ``_native`` and as ``libort_sparse``."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

MACHINES = ("x86_64", "aarch64")
if sys.platform != "linux" or platform.machine() not in MACHINES:
    sys.exit(
        f"ort_sparse runs on Linux on {' and '.join(MACHINES)}, but this is {platform.system()} on "
        f"{platform.machine()}"
    )

# One build serves every Python from 3.11 on, by Python's limited API; what it costs says
# benchmarks/calls.py. Pythons without the GIL have no such API, and get a build of their own.
LIMITED_API = os.environ.get("ORT_SPARSE_LIMITED_API", "1") != "0" and not sysconfig.get_config_var(
    "Py_GIL_DISABLED"
)

SOURCES = Path("cython_kernels")
LIBRARY = Path("lib", "libort_sparse.so")
COMPILE_FLAGS = [
    "-O3",
    "-std=gnu11",
    "-fno-math-errno",
    # One section a function, so that the second link can drop what it does not need.
    "-ffunction-sections",
    "-fdata-sections",
]
SYSTEM_LIBRARIES = ["m", "dl", "pthread"]  # two of which newer versions of glibc hold in libc
LIBRARY_LINK_FLAGS = [
    "-Wl,--gc-sections",
    f"-Wl,--version-script={SOURCES / 'libort_sparse.map'}",
    "-Wl,-z,defs",  # a Python symbol on the run path fails the build
    "-Wl,-z,nodelete",  # OpenMP's threads outlive the last session, so the code must stay
    "-Wl,-soname,libort_sparse.so",
    *(f"-l{name}" for name in SYSTEM_LIBRARIES),
]


class BuildNative(build_ext):
    """Links the extension's objects a second time, without Python."""

    def build_extension(self, ext: Extension) -> None:
        version = self.distribution.get_version()
        ext.define_macros.append(("ORT_SPARSE_VERSION", f'"{version}"'))
        super().build_extension(ext)
        objects = self.compiler.object_filenames(ext.sources, output_dir=self.build_temp)
        target = self._library_path()
        target.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(
            objects, os.fspath(target), extra_postargs=LIBRARY_LINK_FLAGS
        )

    def _library_path(self) -> Path:
        return Path(self.get_ext_fullpath("ort_sparse._native")).parent / LIBRARY

    def copy_extensions_to_source(self) -> None:
        super().copy_extensions_to_source()
        module = Path(self.get_ext_fullpath("ort_sparse._native"))
        for older in set(module.parent.glob("_native.*.so")) - {module}:
            older.unlink()  # Python would prefer one for its version to one for all
        source = module.parent / LIBRARY
        source.parent.mkdir(parents=True, exist_ok=True)
        self.copy_file(os.fspath(Path(self.build_lib, "ort_sparse", LIBRARY)), os.fspath(source))

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), os.fspath(self._library_path())]

    def get_output_mapping(self) -> dict[str, str]:
        mapping = super().get_output_mapping()
        if self.inplace:
            built = Path(self.build_lib, "ort_sparse", LIBRARY)
            mapping[os.fspath(built)] = os.fspath(self._library_path())
        return mapping


native = Extension(
    "ort_sparse._native",
    [
        str(SOURCES / "_native.pyx"),
        *sorted(str(path) for path in SOURCES.glob("*/*.c")),
    ],
    include_dirs=[str(SOURCES)],
    depends=[*map(str, SOURCES.rglob("*.[hp]*")), "ort_sparse/__init__.py"],  # the version
    extra_compile_args=COMPILE_FLAGS,
    libraries=SYSTEM_LIBRARIES,
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED_API else [],
    py_limited_api=LIMITED_API,
)

# What shows the description of a package knows nothing of the files that the README links to.
DESCRIPTION = re.sub(r"\[([^]]+)\]\((?!https:)[^)]+\)", r"\1", Path("README.md").read_text("utf-8"))
DESCRIPTION += "\nThe other files that are named here are in the source distribution.\n"

setup(
    long_description=DESCRIPTION,
    long_description_content_type="text/markdown",
    ext_modules=cythonize(
        [native],
        include_path=[str(SOURCES)],
        build_dir="build",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "freethreading_compatible": True,
        },
    ),
    cmdclass={"build_ext": BuildNative},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
)
