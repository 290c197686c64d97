"""What worker.h describes, for a side that is written in Python."""

import json
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "build_tools"))
from declarations import DTYPES
from problems import parse


class Asked:
    """A gradient that is asked for: its problem, and operands as they lie in memory."""

    def __init__(self, request):
        op, problem = parse(request["problem"])
        self.by_input = op == "conv2d_backprop_input"
        self.nchw = problem.data_format == "NCHW"
        self.input, self.filter, self.groups = problem.input, problem.filter, problem.groups
        self.strides, self.dilations = problem.strides, problem.dilations
        self.output = tuple(request["output"])
        self.pads = tuple(request["pads"])  # top, bottom, left, right
        self.dtype = np.dtype(DTYPES[problem.dtype].long_name)
        shape = self.filter if self.by_input else self.input
        self.first = self._read(request["first"], shape, is_filter=self.by_input)
        self.out_backprop = self._read(request["out_backprop"], self.output, is_filter=False)

    def _read(self, path, shape, is_filter):
        """A NumPy array with the caller's memory: HWIO, or NHWC or NCHW."""
        if self.nchw and not is_filter:
            shape = (shape[0], shape[3], shape[1], shape[2])
        values = _from_cache_line(int(np.prod(shape)), self.dtype)
        with open(path, "rb") as file:
            if file.readinto(values) != values.nbytes:
                raise ValueError(f"{path} has fewer than {values.nbytes} bytes")
        return values.reshape(shape)


def _from_cache_line(count, dtype):
    """Numbers that begin at a multiple of 64 bytes, as in aligned.h: NumPy's own begin 16 bytes after one."""
    room = np.empty(count + 64 // dtype.itemsize, dtype)
    first = -room.ctypes.data % 64 // room.itemsize
    return room[first : first + count]


def _time(gradient, seconds):
    gradient.run()
    runs = []
    end = time.perf_counter() + seconds
    while not runs or time.perf_counter() < end:
        start = time.perf_counter()
        gradient.run()
        runs.append((time.perf_counter() - start) * 1e3)
    return {"runs": runs}


def _answer(make_gradient, gradients, request):
    if request["do"] == "forget":
        gradients.clear()
        return {}
    key = (request["choice"], request["format"])
    if request["do"] == "prepare":
        gradient = make_gradient(Asked(request))
        if key in gradients:
            _time(gradients[key], request["warm_up_seconds"])
        start = time.perf_counter()
        gradient.run()
        first_ms = (time.perf_counter() - start) * 1e3
        gradients[key] = gradient
        return {"first_ms": first_ms}
    if request["do"] == "time":
        return _time(gradients[key], request["seconds"])
    if request["do"] == "result":
        gradients[key].result().tofile(request["path"])
        return {}
    raise ValueError(f"no such request: {request}")


def serve(hello, make_gradient):
    """make_gradient(an Asked) has run(), and result(), an array with the caller's memory order."""
    gradients = {}
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        try:
            reply = _answer(make_gradient, gradients, json.loads(line))
        except Exception as error:  # whatever a library throws is this side's answer
            reply = {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
        print(json.dumps(reply), flush=True)
