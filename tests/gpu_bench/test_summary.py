"""Peers' names, means, the table's text, the FMA loop."""

import io

import fma_peak
import peers
import picture
import pytest
import report
import rich.console
import summary

OP = "conv2d_backprop_input"


def side(by, choice, ms, memory_format="channels_last", tf32=False, verdict="ok", reason=""):
    fields = {"by": by, "choice": choice, "memory_format": memory_format, "tf32": tf32, "verdict": verdict,
              "reason": reason, "error": 1e-7}
    return {**fields, "ms": ms} if ms is not None else fields


def result(layer, our_ms, *sides, peak=50000.0):
    kernel = f"{OP}_f32_cuda_sm80_direct_3x3s1_h4w4"
    ours = [{**side("convgrad", kernel, our_ms * times, memory_format), "target": "cuda_sm80"}
            for memory_format, times in (("channels_last", 1), ("contiguous", 2))]
    return {"network": "net", "layer": layer, "count": 1, "op": OP, "input": [8, 14, 14, 64], "filter": [3, 3, 64, 64],
            "output": [8, 14, 14, 64], "strides": [1, 1], "gflop": 10.0, "peak_gflops": peak, "sides": [*ours, *sides]}


def document(*results, dry_run=False):
    return {"convgrad": "0.1.0", "date": "2026-11-23", "target": "cuda", "batch": 8, "rounds": 7, "dry_run": dry_run,
            "device": "A device", "compute_capability": "9.0", "multiprocessors": 132, "driver_cuda": "13.0",
            "driver": "580.0", "cuda": "13.0", "cudnn": "9.26.0", "pytorch": "2.15.0", "fma_peak": "a loop",
            "results": list(results)}


MEASURED = document(
    result("first", 1.0, side("cuDNN", "ALGO_0", 4.0), side("cuDNN", "ALGO_1", 2.0, "contiguous"),
           side("cuDNN", "ALGO_1", 0.1, tf32=True), side("cuDNN", "WINOGRAD_NONFUSED", 0.5),
           side("PyTorch", "default", 1.5)),
    result("second", 2.0, side("cuDNN", "ALGO_0", 16.0), side("cuDNN", "ALGO_1", None, verdict="unsupported"),
           side("PyTorch", "default", 0.1, verdict="wrong")))


def text_of(doc):
    file = io.StringIO()
    report.show(doc, rich.console.Console(file=file, width=report.WIDTH))
    return file.getvalue()


def test_algorithm_numbers():
    """Those of cudnn_ops.h, version 9."""
    assert [peers.algorithm_number("conv2d", name) for name in ("IMPLICIT_GEMM", "WINOGRAD_NONFUSED")] == [0, 7]
    assert [peers.algorithm_number(OP, name) for name in ("ALGO_0", "ALGO_1", "WINOGRAD_NONFUSED")] == [0, 1, 5]
    filter_op = "conv2d_backprop_filter"
    names = ("ALGO_3", "WINOGRAD_NONFUSED", "FFT_TILING")
    assert [peers.algorithm_number(filter_op, name) for name in names] == [3, 5, 6]


def test_implicit_gemm_algorithms_exist():
    for op, names in peers.IMPLICIT_GEMM.items():
        assert set(names) < set(peers.ALGORITHMS[op])


@pytest.mark.parametrize("op", peers.ALGORITHMS)
def test_peers_are_every_choice_once(op):
    listed = peers.peers(op)
    assert len(listed) == len(set(listed)) == 4 * (len(peers.PYTORCH_CHOICES) + len(peers.ALGORITHMS[op]))
    assert len({str(peer) for peer in listed}) == len(listed)


def test_peer_name():
    assert str(peers.Peer("cuDNN", "ALGO_1", "contiguous", False)) == "cuDNN ALGO_1, contiguous, TF32 off"
    assert str(peers.Peer("PyTorch", "benchmark", "channels_last", True)) == "PyTorch benchmark, channels_last, TF32 on"


def test_geometric_mean():
    assert summary.geometric_mean([2, 8]) == pytest.approx(4)
    assert summary.geometric_mean([0.5]) == pytest.approx(0.5)


def test_fastest_takes_right_results_only():
    implicit = summary.COLUMNS["implicit GEMM, TF32 off"]
    first, second = MEASURED["results"]
    assert summary.fastest(first, implicit)["ms"] == 2.0  # in either format; neither TF32 nor Winograd
    assert summary.fastest(second, implicit)["ms"] == 16.0
    assert summary.fastest(second, summary.COLUMNS["PyTorch's default, TF32 off"]) is None  # its result was wrong


def test_mean_speedup():
    mean, count = summary.mean_speedup(MEASURED["results"], summary.COLUMNS["implicit GEMM, TF32 off"])
    assert (mean, count) == (pytest.approx(4.0), 2)  # 2.0 and 8.0
    assert summary.mean_speedup(MEASURED["results"], summary.COLUMNS["PyTorch's default, TF32 off"])[1] == 1
    assert summary.mean_speedup(MEASURED["results"], summary.COLUMNS["benchmark=True, TF32 off"]) == (None, 0)


def test_percent_of_peak():
    assert summary.gflops(MEASURED["results"][0]) == 10000
    assert summary.percent_of_peak(MEASURED["results"][0]) == pytest.approx(20)
    assert summary.percent_of_peak(result("dry", 1.0, peak=None)) is None


def test_table():
    lines = text_of(MEASURED).splitlines()
    first = next(line for line in lines if line.strip().startswith("first"))
    assert first.split() == ["first", "14x14x64", "3x3x64x64", "direct_3x3s1_h4w4", "1.000", "10000", "20.0", "1e-07",
                             "2.000", "×2.00", "1.500", "×1.50", "-", "0.500", "×0.50", "0.100", "×0.10"]
    means = next(line for line in lines if line.strip().startswith("geometric mean "))
    assert means.split()[2:5] == ["×4.00", "of", "2"]
    algorithm = next(line for line in lines if "cuDNN ALGO_0, channels_last, TF32 off" in line)
    assert "×5.66 (2/2)" in algorithm  # 4 and 8
    everything = next(line for line in lines if line.strip().startswith(OP))
    assert everything.split()[1:7] == ["14.1", "(10.0", "to", "20.0)", "×4.00", "(2/2)"]
    assert any("A device" in line for line in lines)
    assert not any("…" in line for line in lines)  # nothing cut off
    assert "4 of 4 results" in lines[-1]


def test_table_says_what_is_wrong():
    broken = result("first", 1.0)
    for error, shown in ((0.5, "5e-01"), (None, "NaN")):
        broken["sides"][0].update(verdict="wrong", error=error)
        text = text_of(document(broken))
        assert "WRONG" in text and shown in text
        assert "1 of 2 results" in text
    del broken["sides"][0]["error"]
    broken["sides"][0].update(verdict="failed", reason="status 2: no kernel")
    text = text_of(document(broken))
    assert "FAILED" in text
    assert f"net first {OP}, channels_last: failed: status 2: no kernel" in text


def test_dry_table_says_why_there_is_no_peer():
    dry = result("first", 1.0, *[side(peer.by, peer.choice, None, peer.memory_format, peer.tf32, "not run",
                                      "no CUDA device") for peer in peers.peers(OP)], peak=None)
    line = next(line for line in text_of(document(dry, dry_run=True)).splitlines() if line.strip().startswith("first"))
    assert line.count("no CUDA device") == len(summary.COLUMNS)


def test_picture(tmp_path):
    picture.draw(MEASURED, "net", tmp_path / "a.svg")
    picture.draw(MEASURED, "net", tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()  # the same from the same numbers
    assert "% of FMA peak" in (tmp_path / "a.svg").read_text()


def test_picture_heights():
    implicit = summary.COLUMNS["implicit GEMM, TF32 off"]
    assert picture.heights(MEASURED["results"], implicit) == pytest.approx([10, 1.25])


def test_fma_loop_has_the_flops_that_it_says():
    text = fma_peak.ptx()
    assert text.count("fma.rn.f32") == fma_peak.CHAINS * fma_peak.UNROLLED
    assert text.count("LOOP") == 2
