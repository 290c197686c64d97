"""The benchmark's dry run at its smallest, on an OpenCL device."""

import json
import pathlib
import subprocess
import sys

import host
import layers
import measure
import numpy as np
import ours
import peers
import pytest
from ours import convgrad

BENCHMARK = pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def target():
    """opencl; skipped with the library's own reason where there is no device."""
    try:
        convgrad.Context("opencl")
    except convgrad.Error as error:
        if error.status != convgrad.UNSUPPORTED:
            raise
        pytest.skip(f"the dry run: {error}")
    return "opencl"


@pytest.fixture
def small_layer():
    read, _ = layers.read_layers(measure.NETWORKS, "vgg_16", 1)
    return ours.with_pads(read[0].shrunk(ours.output_shape))


def test_dry_run(target, tmp_path):
    file = tmp_path / "dry.json"
    done = run(BENCHMARK / "measure.py", "--dry-run", "--target", target, "--network", "resnet_50", "--layers",
               "res5a_branch2b", file)
    assert done.returncode == 0, done.stderr
    assert "Not measured in a dry run: the target cuda" in done.stderr
    document = json.loads(file.read_text())
    assert [result["op"] for result in document["results"]] == list(layers.OPS)
    for result in document["results"]:
        mine = [side for side in result["sides"] if side["by"] == "convgrad"]
        assert {side["memory_format"]: side["verdict"] for side in mine} == dict.fromkeys(peers.FORMATS, "ok")
        assert {side["target"] for side in mine} == {target}
        others = [side for side in result["sides"] if side["by"] != "convgrad"]
        assert len(others) == len(peers.peers(result["op"]))
        assert {(side["verdict"], side["reason"]) for side in others} == {("not run", "no CUDA device")}

    done = run(BENCHMARK / "report.py", file)
    assert done.returncode == 0, done.stderr
    text = file.with_suffix(".txt").read_text()
    assert "no CUDA device" in text and "6 of 6 results" in text
    assert (tmp_path / "dry_resnet_50.svg").stat().st_size > 1000


def test_layers_that_are_not_there(tmp_path):
    usable = next(kernel.target.decode() for kernel in convgrad.kernels() if kernel.usable_here)
    done = run(BENCHMARK / "measure.py", "--dry-run", "--target", usable, "--layers", "no_such", tmp_path / "dry.json")
    assert done.returncode != 0
    assert "no_such" in done.stderr


def test_pads_are_the_library_s(small_layer):
    assert small_layer.pads == (1, 1)


@pytest.mark.parametrize("op", layers.OPS)
def test_a_result_left_unwritten_is_wrong(small_layer, op, monkeypatch):
    machine = host.Host(None, rounds=1)
    assert machine.measure(small_layer, op)[1][0]["verdict"] == "ok"
    monkeypatch.setattr(convgrad.Plan, "run", lambda *_: None)
    side = machine.measure(small_layer, op)[1][0]
    assert side["verdict"] == "wrong" and np.isnan(side["error"])


def test_a_call_that_fails_is_told(small_layer, monkeypatch):
    machine = host.Host(None, rounds=1)
    monkeypatch.setattr(ours, "attrs", lambda *_: convgrad.attrs((0, 1), (1, 1), "SAME", "NHWC"))
    side = machine.measure(small_layer, "conv2d")[1][0]
    assert side["verdict"] == "failed" and "strides" in side["reason"]
