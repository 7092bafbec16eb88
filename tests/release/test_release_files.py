"""What can be said of the files of a release without running them."""

from __future__ import annotations

import email
import html
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

import ort_sparse

PROJECT = Path(__file__).parents[2]
MACHINES = ("x86_64", "aarch64")
ELF_NAMES = {"x86_64": "Advanced Micro Devices X86-64", "aarch64": "AArch64"}

# Parts of glibc, which manylinux promises.
PROMISED = r"(libc|libm|libdl|libpthread)\.so\.\d|ld-linux-(x86-64|aarch64)\.so\.\d"


@pytest.fixture(params=MACHINES)
def machine(request) -> str:
    return request.param


@pytest.fixture
def natives(machine, wheels, tmp_path) -> dict[str, Path]:
    """Return the native files of a wheel."""
    packed = zipfile.ZipFile(wheels[machine])
    names = [name for name in packed.namelist() if name.endswith(".so")]
    return {Path(name).name: Path(packed.extract(name, tmp_path)) for name in names}


def readelf(*arguments: object) -> str:
    return subprocess.run(
        ["readelf", "--wide", *map(str, arguments)], check=True, capture_output=True, text=True
    ).stdout


def test_twine_is_content(wheels, source_distribution, run_tool):
    run_tool("twine", "check", "--strict", *wheels.values(), source_distribution)


def test_auditwheel_is_content(machine, wheels, run_tool):
    found = run_tool("auditwheel", "show", wheels[machine])
    tags = re.findall(r'"manylinux_2_(\d+)_(\w+)"', found)
    assert tags
    assert {machine} == {name for _, name in tags}
    assert int(tags[0][0]) <= 28


def test_abi3audit_is_content(machine, wheels, run_tool):
    run_tool("abi3audit", "--strict", "--verbose", wheels[machine])
    assert "-cp311-abi3-" in wheels[machine].name


def test_files_are_small(machine, wheels, libraries):
    assert wheels[machine].stat().st_size < 1.5e6
    assert libraries[machine].stat().st_size < 1.5e6


def test_native_files_are_stripped_and_need_only_glibc(machine, natives):
    assert set(natives) == {"_native.abi3.so", "libort_sparse.so"}
    for path in natives.values():
        assert ELF_NAMES[machine] in readelf("--file-header", path)
        assert not re.search(r"\.symtab|\.debug", readelf("--sections", path))
        dynamic = readelf("--dynamic", path)
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)
        assert needed
        assert all(re.fullmatch(PROMISED, name) for name in needed), needed
        assert "RPATH" not in dynamic
        assert "RUNPATH" not in dynamic
        versions = re.findall(r"GLIBC_([\d.]+)", readelf("--version-info", path))
        assert max(map(Version, versions)) <= Version("2.28")


def test_the_library_exports_what_its_map_says_and_stays_loaded(natives):
    library = natives["libort_sparse.so"]
    symbols = readelf("--dyn-syms", library)
    exported = {
        line.split()[-1]
        for line in symbols.splitlines()
        if re.search(r"(FUNC|OBJECT) +GLOBAL +DEFAULT +\d", line)
    }
    script = (PROJECT / "cython_kernels" / "libort_sparse.map").read_text()
    wanted = script.partition("global:")[2].partition("local:")[0]
    assert exported == set(re.findall(r"\w+", wanted))
    assert not re.findall(r"\b_?Py\w+", symbols)
    dynamic = readelf("--dynamic", library)
    assert "[libort_sparse.so]" in dynamic  # its soname
    assert "NODELETE" in dynamic


def test_no_path_of_the_machine_that_built_it(natives):
    for path in natives.values():
        assert not re.findall(rb"/(?:tmp|work|home|root)/[\w/.-]+", path.read_bytes())


def test_one_version_everywhere(machine, wheels, libraries, source_distribution):
    version = ort_sparse.__version__
    folder = f"ort_sparse-{version}"
    with tarfile.open(source_distribution) as packed:
        file = packed.extractfile(f"{folder}/PKG-INFO")
        assert file is not None
        metadata = [email.message_from_bytes(file.read())]
    wheel = zipfile.ZipFile(wheels[machine])
    metadata.append(email.message_from_bytes(wheel.read(f"{folder}.dist-info/METADATA")))
    for found in metadata:
        assert found["Version"] == version
        assert "pip install" in found.get_payload()
        assert not re.findall(r"\]\((?!https:)", found.get_payload())  # links that lead nowhere
    with tarfile.open(libraries[machine]) as packed:
        cmake = f"libort_sparse-{version}-linux-{machine}/lib/cmake/ort_sparse"
        file = packed.extractfile(f"{cmake}/ort_sparse-config-version.cmake")
        assert file is not None
        assert f'set(PACKAGE_VERSION "{version}")' in file.read().decode()
    changes = (PROJECT / "CHANGELOG.md").read_text()
    assert f"\n## {version}" in changes


def test_the_library_is_that_of_the_wheel(machine, natives, libraries):
    root = f"libort_sparse-{ort_sparse.__version__}-linux-{machine}"
    with tarfile.open(libraries[machine]) as packed:
        names = {name.removeprefix(f"{root}/") for name in packed.getnames()}
        file = packed.extractfile(f"{root}/lib/libort_sparse.so")
        assert file is not None
        assert file.read() == natives["libort_sparse.so"].read_bytes()
    assert {"LICENSE", "README.md", "include/ort_sparse.h", "examples/c/run_model.c"} <= names


RENDER = """
import sys
from readme_renderer.markdown import render
print(render(sys.stdin.read()))
"""


def test_the_description_is_shown_as_it_should_be(wheels, run_tool):
    """Twine checks only descriptions that are not Markdown."""
    name = f"ort_sparse-{ort_sparse.__version__}.dist-info/METADATA"
    for wheel in wheels.values():
        text = email.message_from_bytes(zipfile.ZipFile(wheel).read(name)).get_payload()
        page = html.unescape(run_tool("python", "-c", RENDER, stdin=text))
        assert "<table>" in page
        assert "](" not in page  # a link that was not understood
        first, second, *_ = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
        command, lines = (re.sub("<[^>]+>", "", block) for block in (first, second))
        assert command.startswith('pip install "ort-sparse[')
        assert "import ort_sparse" in lines
        assert "ort_sparse.session(" in lines


@pytest.mark.parametrize(
    ("platform", "python"),
    [
        ("manylinux_2_17_{}", "3.12"),  # too old a glibc
        ("manylinux_2_28_{other}", "3.12"),
        ("musllinux_1_2_{}", "3.12"),
        ("macosx_14_0_arm64", "3.12"),
        ("win_amd64", "3.12"),
        ("manylinux_2_28_{}", "3.10"),
    ],
)
def test_pip_refuses_a_wheel_for_another_platform(machine, wheels, platform, python, tmp_path):
    (other,) = set(MACHINES) - {machine}
    done = pip_download(wheels[machine], platform.format(machine, other=other), python, tmp_path)
    assert done.returncode != 0
    assert "is not a supported wheel on this platform" in done.stderr


def test_pip_takes_the_wheel_for_its_platform(machine, wheels, tmp_path):
    for python in ("3.11", "3.14"):
        done = pip_download(wheels[machine], f"manylinux_2_28_{machine}", python, tmp_path)
        assert done.returncode == 0, done.stderr


def pip_download(
    wheel: Path, platform: str, python: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    options = ["--no-deps", "--only-binary=:all:", "--platform", platform, "--dest", str(folder)]
    return subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--python-version", python, wheel],
        check=False,
        capture_output=True,
        text=True,
    )
