"""cuda.py on PyTorch's CPU tensors: formats, layouts, checks and turns; all but the device. Skipped without PyTorch."""

import concurrent.futures
import contextlib
import ctypes
import time
import types

import kernels
import layers
import measure
import numpy as np
import ours
import peers
import pytest
from ours import convgrad

torch = pytest.importorskip("torch", reason="cuda.py: PyTorch is not in this environment")
import cuda  # noqa: E402
import cudnn  # noqa: E402


class Event:
    def __init__(self, enable_timing):
        assert enable_timing

    def record(self, _):
        self.time = time.perf_counter()

    def synchronize(self):
        pass

    def elapsed_time(self, end):
        return (end.time - self.time) * 1e3


class Convolution:
    """In cudnn.Convolution's place: two algorithms, by compute(), on memory as cuDNN's descriptors would have it."""

    def __init__(self, _, layer, op, peer):
        if peer.choice not in ("ALGO_0", "IMPLICIT_GEMM"):
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED")
        self._layer, self._op, self._channels_last = layer, op, peer.memory_format == "channels_last"
        self.workspace_size = 64

    def run(self, *addresses_and_workspace):
        shapes = self._layer.shapes(self._op)
        filter = shapes.index(self._layer.filter)
        first, second, result = (self._view(address, shape, i == filter)
                                 for i, (address, shape) in enumerate(zip(addresses_and_workspace, shapes)))
        result[...] = layers.compute(self._layer, self._op, first, second, np.zeros(shapes[2], np.float32))

    def _view(self, address, shape, is_filter):
        values = np.ctypeslib.as_array((ctypes.c_float * int(np.prod(shape))).from_address(address))
        a, b, c, d = shape
        if is_filter:
            return (values.reshape(d, a, b, c).transpose(1, 2, 3, 0) if self._channels_last
                    else values.reshape(d, c, a, b).transpose(2, 3, 1, 0))
        return values.reshape(shape) if self._channels_last else values.reshape(a, d, b, c).transpose(0, 2, 3, 1)


class OnCpu(cuda.Cuda):
    def __init__(self):
        self._rounds = 2
        self._device, self._stream, self._library = torch.device("cpu"), None, None
        self._context = self._new_context(None)
        self._workspace = torch.empty(0, dtype=torch.uint8)
        self._peak = types.SimpleNamespace(flops=10**6, run=lambda: time.sleep(1e-4))
        self._threads = {name: concurrent.futures.ThreadPoolExecutor(1, name) for name in peers.PYTORCH_CHOICES}


    def _new_context(self, kernel):
        return convgrad.Context(kernel=kernel)


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(cudnn, "Convolution", Convolution)
    monkeypatch.setattr(convgrad, "CUDA", convgrad.HOST)
    return OnCpu()


def a_layer(name):
    read, _ = layers.read_layers(measure.NETWORKS, "resnet_50", 1)
    return ours.with_pads(next(layer for layer in read if layer.name == name).shrunk(ours.output_shape))


@pytest.mark.parametrize("op", layers.OPS)
@pytest.mark.parametrize("name", ["conv1", "res3a_branch1", "res4a_branch2b"])
def test_all_sides_agree(machine, name, op):
    peak, sides = machine.measure(a_layer(name), op)
    assert peak > 0
    assert len(sides) == 2 + len(peers.peers(op))
    for side in sides:
        known = side["by"] != "cuDNN" or side["choice"] in ("ALGO_0", "IMPLICIT_GEMM")
        assert side["verdict"] == ("ok" if known else "unsupported"), side
        assert not known or (side["ms"] > 0 and side["error"] < 1e-5)


def test_kernels_by_name(machine):
    layer, op = a_layer("res4a_branch2b"), "conv2d_backprop_filter"
    names = kernels.names_of(op, "x86_64_sse41", layer, "direct|generic")
    assert [name for name in names if "_direct_3x3s1_" in name] and [name for name in names if "_generic_" in name]
    assert not [name for name in names if "_1x1s1_" in name or "backprop_input" in name]
    peak, sides = machine.measure_kernels(layer, op, [*names, "conv2d_f32_x86_64_sse41_generic_any_h1w4k8"])
    assert [side["choice"] for side in sides[1:-1]] == names
    assert {side["verdict"] for side in sides[:-1]} == {"ok"} and sides[-1]["verdict"] == "failed"
    result = {"network": "n", "layer": "l", "op": op, "gflop": layer.flops() * 1e-9, "peak_gflops": peak, "sides": sides}
    first, *others = kernels.ranking(result, 1)
    assert first.startswith(f"n l {op}: {sides[0]['choice']} ") and len(others) == 2
    assert min(sides[1:-1], key=lambda side: side["ms"])["choice"] in others[0] and "FAILED conv2d_f32" in others[1]


def test_wrong_results_are_seen(machine, monkeypatch):
    monkeypatch.setattr(Convolution, "run", lambda *_: None)
    monkeypatch.setattr(convgrad.Plan, "run", lambda *_: None)
    _, sides = machine.measure(a_layer("res4a_branch2b"), "conv2d_backprop_filter")
    verdicts = {(side["by"], side["choice"]): side["verdict"] for side in sides}
    assert verdicts.pop(("cuDNN", "ALGO_0")) == "wrong"
    assert {verdict for (by, _), verdict in verdicts.items() if by == "convgrad"} == {"wrong"}
    assert {verdict for (by, _), verdict in verdicts.items() if by == "PyTorch"} == {"ok"}


def test_a_call_that_fails_is_told(machine, monkeypatch):
    monkeypatch.setattr(ours, "attrs", lambda *_: convgrad.attrs((0, 1), (1, 1), "SAME", "NHWC"))
    layer = layers.Layer("n", "l", 1, (1, 4, 4, 2), (1, 1, 2, 3), (1, 4, 4, 3), (1, 1), (1, 1), "SAME")
    _, sides = machine.measure(layer, "conv2d")
    assert sides[0]["verdict"] == "failed" and "strides" in sides[0]["reason"]


def test_asymmetric_padding_is_no_peer_s(machine):
    layer = layers.Layer("n", "l", 1, (1, 4, 4, 2), (3, 3, 2, 3), (1, 2, 2, 3), (2, 2), (1, 1), "SAME")
    _, sides = machine.measure(layer, "conv2d")
    assert {side["verdict"] for side in sides if side["by"] == "convgrad"} == {"ok"}
    assert {side["verdict"] for side in sides if side["by"] != "convgrad"} == {"unsupported"}
