"""Runs the benchmark as build_tools/bench does, on layers of a few kilobytes."""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BENCH = HERE.parents[1] / "benchmarks" / "peers" / "bench.py"


def command(folder, *arguments):
    return [
        sys.executable,
        "-B",
        str(BENCH),
        "--programs",
        os.environ["CONVGRAD_BENCH_PROGRAMS"],
        "--library",
        os.environ["CONVGRAD_BENCH_LIBRARY"],
        "--networks-file",
        str(HERE / "tiny.json"),
        "--network",
        "tiny",
        "--seconds",
        "0.003",
        "--rounds",
        "2",
        "--output",
        str(folder),
        *arguments,
    ]


def run(folder, *arguments):
    """(the finished process, its JSON or None)"""
    done = subprocess.run(command(folder, *arguments), capture_output=True, text=True, timeout=300)
    path = folder / "results.json"
    return done, json.loads(path.read_text()) if path.exists() else None
