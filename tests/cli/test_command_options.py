"""What users find out without reading: help, hints, completion, and how little is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import onnx
import pytest
from typer.testing import CliRunner

from ort_sparse.cli import app

COMMANDS = {
    "convert": ["--min-sparsity", "--layers", "--block-rows", "--opset", "--output"],
    "verify": ["--seed", "--batch", "--tolerance"],
    "inspect": ["--min-sparsity"],
    "densify": [],
    "bench": ["--threads", "--batch", "--runs"],
    "demo": ["--network", "--threads", "--runs", "--resolution"],
    "zoo list": [],
    "zoo build": ["--seed", "--resolution"],
    "zoo fetch": ["--base-url"],
}
"""Options of each command that have a default worth knowing."""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def help_of(command, flag="--help"):
    done = run(*command.split(), flag)
    assert done.exit_code == 0
    return done.stdout


def described(text, option):
    """Return the lines of help on an option, joined."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if option in line)
    rest = (i for i, line in enumerate(lines) if i > start and line.lstrip().startswith("-"))
    return " ".join(" ".join(lines[start : next(rest, len(lines))]).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_default(command):
    text = help_of(command)
    for option in COMMANDS[command]:
        assert "[default: " in described(text, option), option


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_flags_have_no_value(command):
    assert "<bool>" not in help_of(command)
    assert max(map(len, help_of(command).splitlines())) <= 80


@pytest.mark.parametrize("command", ["", *COMMANDS, "zoo"])
def test_short_help(command):
    assert help_of(command, "-h") == help_of(command)


def test_help_says_which_opset():
    assert "[default: 17]" in described(help_of("convert"), "--opset")


def test_percentages_get_a_hint(dense):
    done = run("convert", dense, "--min-sparsity", "90")
    assert done.exit_code == 2
    assert "90 % is 0.9" in done.stderr


@pytest.mark.parametrize("arguments", [["--threads", "1,2"], ["--threads", "1", "--threads", "2"]])
def test_several_counts_of_threads(dense, arguments):
    done = run("bench", dense, *arguments, "--runs", "1", "--json")
    assert [result["threads"] for result in json.loads(done.stdout)["results"]] == [1, 2]


@pytest.mark.parametrize("counts", ["0", "1,", "1,-2", "1;2", "two", "", "²"])
def test_counts_of_threads_that_are_none(dense, counts):
    done = run("bench", dense, "--threads", counts)
    assert done.exit_code == 2
    assert "--threads" in done.stderr
    assert "whole numbers of at least 1" in done.stderr


def test_quiet_conversion(dense, tmp_path):
    out = tmp_path / "out.onnx"
    done = run("convert", dense, "-o", out, "--min-sparsity", "0.99", "--quiet")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    done = run("densify", out, "-o", tmp_path / "back.onnx", "-q")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    onnx.checker.check_model(onnx.load(tmp_path / "back.onnx"))


def test_quiet_commands_print_what_was_asked_for(dense):
    done = run("inspect", dense, "-q")
    assert "first" in done.stdout
    assert done.stderr == ""
    done = run("verify", dense, dense, "-q")
    assert "equal" in done.stdout
    assert done.stderr == ""


def test_commands_say_what_they_wrote(dense, tmp_path):
    out, back = tmp_path / "out.onnx", tmp_path / "back.onnx"
    assert f"{out}: " in run("convert", dense, "-o", out, "--layers", "all").stdout
    assert f"{back}: " in run("densify", out, "-o", back).stdout


def test_the_zoo_says_what_it_built(tmp_path, monkeypatch):
    from ort_sparse import zoo

    monkeypatch.setattr(zoo, "build", lambda name, **options: b"x" * 1234)
    out = tmp_path / "net.tflite"
    done = run("zoo", "build", "mobilenet_v2", "-o", out)
    assert done.stdout == f"{out}: 1.2 kB, mobilenet_v2 with random weights, 85% zeros\n"


@pytest.mark.parametrize(
    ("words", "completion"),
    [
        ("ort-sparse conv", "convert"),
        ("ort-sparse zoo build mbv1_1", "mbv1_100_90_12b4_684"),
        ("ort-sparse zoo fetch enb", "enb0_80_none_751"),
        ("ort-sparse demo --network squ", "squeezenet"),
    ],
)
def test_completion(words, completion):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'ort-sparse'; from ort_sparse.cli import main; main()",
        ],
        env={
            **os.environ,
            "_ORT_SPARSE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert completion in done.stdout.split()
