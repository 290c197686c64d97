"""The benchmark on tensors in host memory, without PyTorch: what a dry run does with the target opencl."""

import statistics
import time

import numpy as np
import ours
from layers import compute, error_bound, largest_error
from ours import convgrad
from peers import peers

REASON = "no CUDA device"


class Host:
    def __init__(self, target, rounds):
        self._context = convgrad.Context(target)
        self._rounds = rounds

    def description(self):
        return {"device": REASON, "fma_peak": f"not measured: {REASON}"}

    def measure(self, layer, op):
        """The device's FMA peak, None here, and what each side did."""
        random = np.random.default_rng(1)
        shapes = layer.shapes(op)
        first, second = (random.uniform(-1, 1, shape).astype(np.float32) for shape in shapes[:2])
        exact, magnitude = (
            compute(layer, op, f(first.astype(np.float64)), f(second.astype(np.float64)), np.zeros(shapes[2]))
            for f in (np.asarray, np.abs))
        sides = [self._ours(layer, op, f, first, second, exact, magnitude) for f in ours.DATA_FORMATS]
        return None, sides + [{**vars(peer), "verdict": "not run", "reason": REASON} for peer in peers(op)]

    def _ours(self, layer, op, memory_format, first, second, exact, magnitude):
        def in_format(array, is_filter):
            nchw = memory_format == "contiguous" and not is_filter
            return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if nchw else array

        side = {"by": "convgrad", "choice": "", "memory_format": memory_format, "tf32": False}
        first = in_format(first, op == "conv2d_backprop_input")
        second = in_format(second, op == "conv2d")
        result_is_filter = op == "conv2d_backprop_filter"
        # A result that the library leaves unwritten is not equal to anything.
        result = in_format(np.full(exact.shape, np.nan, np.float32), result_is_filter)
        runs = []
        try:
            plan = ours.plan(self._context, layer, op, memory_format, convgrad.HOST)
            side["choice"] = plan.kernel()
            for _ in range(self._rounds):
                start = time.perf_counter()
                plan.run(first.ctypes.data, second.ctypes.data, result.ctypes.data)
                runs.append((time.perf_counter() - start) * 1e3)
        except convgrad.Error as error:
            return {**side, "verdict": "failed", "reason": str(error)}
        nhwc = result if memory_format == "channels_last" or result_is_filter else result.transpose(0, 2, 3, 1)
        error, bound = largest_error(nhwc.astype(np.float64), exact, magnitude), error_bound(layer, op)
        agrees = error <= bound  # false for NaN
        return {**side, "verdict": "ok" if agrees else "wrong",
                "reason": "" if agrees else f"largest error {error:.1e}, bound {bound:.1e}",
                "error": error, "ms": statistics.median(runs)}
