"""Builds the native code: one set of objects, linked as ``_native`` and as ``libort_sparse``."""

from __future__ import annotations

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

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
    *(f"-l{name}" for name in SYSTEM_LIBRARIES),
]


class BuildNative(build_ext):
    """Links the extension's objects a second time, without Python."""

    def build_extension(self, ext: Extension) -> None:
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
        source = Path(self.get_ext_fullpath("ort_sparse._native")).parent / LIBRARY
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
    depends=[str(path) for path in SOURCES.rglob("*.[hp]*")],
    extra_compile_args=COMPILE_FLAGS,
    libraries=SYSTEM_LIBRARIES,
)

setup(
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
)
