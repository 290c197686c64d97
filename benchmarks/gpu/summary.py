"""What the tables and pictures are made of: choices and means over measure.py's results, nothing printed."""

import collections
import math

from peers import IMPLICIT_GEMM, Peer

# The table's columns: which sides each is the fastest of.
COLUMNS = {
    "implicit GEMM, TF32 off": lambda op, side: (
        side["by"] == "cuDNN" and side["choice"] in IMPLICIT_GEMM[op] and not side["tf32"]),
    "PyTorch's default, TF32 off": lambda op, side: (
        side["by"] == "PyTorch" and side["choice"] == "default" and not side["tf32"]),
    "benchmark=True, TF32 off": lambda op, side: (
        side["by"] == "PyTorch" and side["choice"] == "benchmark" and not side["tf32"]),
    "any of cuDNN's, TF32 off": lambda op, side: side["by"] != "convgrad" and not side["tf32"],
    "any of cuDNN's, TF32 on": lambda op, side: side["by"] != "convgrad" and side["tf32"],
}


def select(document, network, op):
    return [result for result in document["results"] if (result["network"], result["op"]) == (network, op)]


def ours(result, memory_format="channels_last"):
    return next(side for side in result["sides"]
                if side["by"] == "convgrad" and side["memory_format"] == memory_format)


def fastest(result, wanted):
    """The fastest right side for which wanted(op, side); None if none is."""
    sides = [side for side in result["sides"] if side["verdict"] == "ok" and wanted(result["op"], side)]
    return min(sides, key=lambda side: side["ms"], default=None)


def gflops(result, side=None):
    return result["gflop"] / (side or ours(result))["ms"] * 1e3


def percent_of_peak(result, side=None):
    return None if result["peak_gflops"] is None else 100 * gflops(result, side) / result["peak_gflops"]


def geometric_mean(values):
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def mean_speedup(results, wanted):
    """The geometric mean of the fastest wanted side's time over ours, and of how many layers; (None, 0) if of none."""
    ratios = []
    for result in results:
        mine, side = ours(result), fastest(result, wanted)
        if mine["verdict"] == "ok" and side is not None:
            ratios.append(side["ms"] / mine["ms"])
    return (geometric_mean(ratios), len(ratios)) if ratios else (None, 0)


def percents_of_3x3(results):
    """Percent of the peak of each right 3x3 layer with stride 1."""
    return [percent_of_peak(result) for result in results if ours(result)["verdict"] == "ok"
            and result["peak_gflops"] and result["filter"][:2] == [3, 3] and result["strides"] == [1, 1]]


def failures(document):
    """A line for each result of ours that is not right."""
    return [f"{result['network']} {result['layer']} {result['op']}, {side['memory_format']}: {side['verdict']}: "
            f"{side['reason']}" for result in document["results"] for side in result["sides"]
            if side["by"] == "convgrad" and side["verdict"] != "ok"]


def setting(side):
    """A side's name, but for the kernel's if it is ours."""
    if side["by"] == "convgrad":
        return f"convgrad, {side['memory_format']}"
    return str(Peer(side["by"], side["choice"], side["memory_format"], side["tf32"]))


def settings(document, network):
    """All of them, TF32 last, else in the order of their first result."""
    names = dict.fromkeys(setting(side) for result in document["results"] if result["network"] == network
                          for side in result["sides"])
    return sorted(names, key=lambda name: name.endswith("TF32 on"))


def verdicts(document):
    return collections.Counter(side["verdict"] for result in document["results"] for side in result["sides"]
                               if side["by"] == "convgrad")
