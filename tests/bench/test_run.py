"""The whole benchmark, with convgrad's own process and no real peer."""

import json
import os
import pathlib
import signal
import subprocess

import numpy as np
import pytest
from run_bench import HERE, command, run
from workers import Worker, WorkerError

CORES = len(os.sched_getaffinity(0))
THREADS = "1,2" if CORES > 1 else "1"


def test_convgrad_alone(tmp_path):
    done, document = run(tmp_path, "--peers", "none", "--threads", THREADS, "--nchw")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = document["results"]
    assert len(rows) == 5 * 2 * len(THREADS.split(","))
    for row in rows:
        assert set(row["sides"]) == {"convgrad", "convgrad_strict", "convgrad_nchw"}
        for side in row["sides"].values():
            assert side["verdict"] == "ok", side
            assert side["runs"] >= 2 and 0 < side["best_ms"] <= side["median_ms"]
            assert side["kernel"] and side["first_ms"] > 0 and side["fresh_ms"] > 0 and 1 <= side["tasks_of_64"] <= 64
        bits = {
            side["bits"]
            for made in rows
            for side in [made["sides"]["convgrad"]]
            if (made["layer"], made["op"]) == (row["layer"], row["op"])
        }
        assert len(bits) == 1, "bits differ between numbers of threads"
        assert row["peaks"]
    by_layer = {row["layer"]: row for row in rows}
    assert set(by_layer) == {"same", "strided", "explicit", "pointwise", "depthwise"}
    assert [row["layer"] for row in rows if row["depthwise"]] == ["depthwise"] * (len(rows) // 5)
    assert by_layer["strided"]["pads"] == [0, 1, 1, 1]
    # 36 positions of the image, 32 products each; the 3x3 taps of "same" that meet padding do not count.
    assert by_layer["pointwise"]["flops"] == 2 * 36 * 8 * 4
    assert by_layer["same"]["flops"] == 2 * (3 * 9 - 2) * (3 * 8 - 2) * 5 * 7
    assert document["libraries"]["convgrad"]["libraries"]["libconvgrad.a"] > 100000
    assert "<svg" in (tmp_path / "tiny_1_speed.svg").read_text()
    assert "| tiny | 1 | both |" in (tmp_path / "results.md").read_text()
    assert "whole network" in done.stdout and "[ 10/10]" in done.stderr

    again = subprocess.run(
        [*command(tmp_path / "again"), "--from", str(tmp_path / "results.json")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert again.returncode == 0 and "whole network" in again.stdout, again.stderr


def test_a_first_run_comes_right_after_other_work(tmp_path):
    """What was prepared before runs: before the first run, and before each of three later ones, which it is compared
    with."""
    operands = {"first": str(tmp_path / "first"), "out_backprop": str(tmp_path / "out_backprop")}
    for path in operands.values():
        np.ones(6 * 6 * 4, np.float32).tofile(path)
    request = {"problem": "conv2d_backprop_filter f32 h6 w6 c4 k4", "choice": "default", "format": "NHWC",
               "output": [1, 6, 6, 4], "pads": [0, 0, 0, 0], **operands}
    program = pathlib.Path(os.environ["CONVGRAD_BENCH_PROGRAMS"]) / "convgrad_worker"
    worker = Worker([program, "--threads", 1], os.sched_getaffinity(0), {})
    try:
        assert worker.ask("prepare", **request, warm_up_seconds=0.1)["warm_ups"] == []
        warm_ups = worker.ask("prepare", **request, warm_up_seconds=0.1)["warm_ups"]
        assert len(warm_ups) == 4 and min(warm_ups) > 0
        assert worker.ask("prepare", **request, warm_up_seconds=0)["warm_ups"] == [1, 1, 1, 1]
    finally:
        worker.close()


def test_doubles(tmp_path):
    """With a peak of their own, and without oneDNN."""
    done, document = run(tmp_path, "--peers", "onednn", "--threads", "1", "--dtype", "f64")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "onednn is missing: oneDNN's convolutions on CPUs know no float64" in done.stderr
    assert set(document["sides"]) == {"convgrad", "convgrad_strict"}
    for row in document["results"]:
        mine = row["sides"]["convgrad"]
        assert mine["verdict"] == "ok" and "_f64_" in mine["kernel"] and mine["error"] < 1e-15, mine
        assert row["tensor_bytes"] == 8 * sum(np.prod(row[name]) for name in ("input", "filter", "output"))
    assert "float64; convgrad" in done.stdout


def test_a_build_without_kernels_of_the_type_says_so():
    program = pathlib.Path(os.environ["CONVGRAD_BENCH_PROGRAMS"]) / "convgrad_worker"
    with pytest.raises(WorkerError, match="this build has no kernels of f16 for this machine"):
        Worker([program, "--dtype", "f16"], os.sched_getaffinity(0), {})


def test_tuned_rows_beside_the_defaults(tmp_path):
    """Here the tuned library is the very same one, so no gradient has another kernel."""
    tuned_library, tuned_programs = tmp_path / "libtuned.a", tmp_path / "programs"
    tuned_library.write_bytes(pathlib.Path(os.environ["CONVGRAD_BENCH_LIBRARY"]).read_bytes())
    tuned_programs.mkdir()
    worker = tuned_programs / "convgrad_worker"
    worker.write_text(f'#!/bin/sh\ntouch "{tmp_path}/ran"\nexec {os.environ["CONVGRAD_BENCH_PROGRAMS"]}/convgrad_worker "$@"\n')
    worker.chmod(0o755)
    tuned = ["--hardware", "my_cpu", "--tuned-programs", tuned_programs, "--tuned-library", tuned_library]
    done, document = run(tmp_path, "--peers", "none", "--threads", "1", *tuned)
    assert done.returncode == 0, done.stdout + done.stderr
    assert document["libraries"]["convgrad"]["detail"] == "with the rows of my_cpu"
    assert document["libraries"]["convgrad_default"]["detail"] == "its defaults"
    assert list(document["libraries"]["convgrad"]["libraries"]) == ["libtuned.a"] and (tmp_path / "ran").exists()
    for row in document["results"]:
        default, other = row["sides"]["convgrad_default"], row["sides"]["convgrad"]
        assert other["verdict"] == "ok" and other["bits"] == default["bits"]
        assert other["kernel"] == default["kernel"] and other["median_ms"] == default["median_ms"]
    assert "the rows of my_cpu are 1.000x as fast as the defaults" in done.stdout
    assert "another kernel in 0" in done.stdout


def test_a_peer_with_wrong_results_is_not_timed(tmp_path):
    done, document = run(
        tmp_path,
        "--peers",
        "torch,tensorflow",
        "--threads",
        "1",
        "--layers",
        "same",
        "--python",
        f"torch={HERE / 'wrong_peer'}",
        "--missing",
        "tensorflow=no wheel for this Python",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert document["missing"] == {"tensorflow": "no wheel for this Python"}
    assert "tensorflow is missing: no wheel for this Python" in done.stderr
    for row in document["results"]:
        assert row["sides"]["torch"]["verdict"] == "wrong"
        assert "median_ms" not in row["sides"]["torch"]
    assert "wrong" in done.stdout


def test_an_interrupt_leaves_what_there_is(tmp_path):
    process = subprocess.Popen(
        command(tmp_path, "--peers", "none", "--threads", "1", "--seconds", "0.2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
    )
    assert process.stderr.readline().startswith("[  1/10]")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1 and "interrupted after" in err, err
    document = json.loads((tmp_path / "results.json").read_text())
    assert 1 <= len(document["results"]) < 10 and "interrupted" in document
    assert "whole network" in out and (tmp_path / "results.md").exists()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()], "operands were left behind"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--layers", "nothing"], "no layer's name has 'nothing' in it"),
        (["--layers", "("], "unterminated subpattern"),
        (["--peers", "cudnn"], "--peers cudnn: expected some of onednn, torch, tensorflow, or none"),
        (["--threads", "0"], "--threads 0: expected at least 1"),
        (["--threads", "100000"], "--threads 100000: this process may use"),
        (["--network", "alexnet"], "no network 'alexnet'; there are tiny"),
        (["--dtype", "f16"], "--dtype: invalid choice: 'f16' (choose from 'f32', 'f64')"),
        (["--target", "x86_64_mmx"], "x86_64_mmx"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said, tmp_path):
    done, _ = run(tmp_path, "--peers", "none", "--threads", "1", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
