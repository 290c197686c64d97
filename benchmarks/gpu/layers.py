"""The layers of data/networks.json, and one exact way to compute them."""

import dataclasses
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "build_tools"))
from problems import ProblemError, read_problems  # noqa: E402

OPS = ("conv2d", "conv2d_backprop_input", "conv2d_backprop_filter")
FLOAT32_EPSILON = 2.0**-23


@dataclasses.dataclass(frozen=True)
class Layer:
    network: str
    name: str
    count: int  # how often the network has it
    input: tuple  # NHWC
    filter: tuple  # HWIO
    output: tuple  # NHWC
    strides: tuple
    dilations: tuple
    padding: object  # "VALID", "SAME" or (top, bottom, left, right)
    pads: tuple = (0, 0)  # top and left, as the library places them

    def shapes(self, op):
        """Those of op's operands and of its result, in the order of the C function."""
        return {
            "conv2d": (self.input, self.filter, self.output),
            "conv2d_backprop_input": (self.filter, self.output, self.input),
            "conv2d_backprop_filter": (self.input, self.output, self.filter),
        }[op]

    def windows(self, dimension):
        """For each tap of height (0) or width (1): the slices of input and output that it joins."""
        size, out = self.input[1 + dimension], self.output[1 + dimension]
        stride, dilation = self.strides[dimension], self.dilations[dimension]
        slices = []
        for tap in range(self.filter[dimension]):
            offset = tap * dilation - self.pads[dimension]  # output p reads input p * stride + offset
            first = max(0, -(offset // stride))
            last = min(out - 1, (size - 1 - offset) // stride)
            begin = first * stride + offset
            count = max(0, last - first + 1)
            slices.append((slice(begin, begin + (count - 1) * stride + 1, stride) if count else slice(0, 0),
                           slice(first, first + count)))
        return slices

    def flops(self):
        """Of any of the three operations done directly: two for each multiply-add that meets no padding."""
        pairs = [sum(out.stop - out.start for _, out in self.windows(dimension)) for dimension in (0, 1)]
        return 2 * self.input[0] * self.filter[2] * self.filter[3] * pairs[0] * pairs[1]

    def terms(self, op):
        """The most products that an element of op's result adds up."""
        return {
            "conv2d": math.prod(self.filter[:3]),
            "conv2d_backprop_input": self.filter[0] * self.filter[1] * self.filter[3],
            "conv2d_backprop_filter": math.prod(self.output[:3]),
        }[op]

    def symmetric_pads(self):
        """Pads of both sides with which cuDNN, which knows no others, computes this layer; None if there are none."""
        for dimension in (0, 1):
            extent = (self.filter[dimension] - 1) * self.dilations[dimension] + 1
            padded = self.input[1 + dimension] + 2 * self.pads[dimension]
            if (padded - extent) // self.strides[dimension] + 1 != self.output[1 + dimension]:
                return None
        return self.pads

    def shrunk(self, output_shape):
        """The same filter on one small image of few channels; output_shape(layer) says what comes out."""
        rows, columns = (min(size, 14) for size in self.input[1:3])
        channels = min(self.input[3], 12)
        small = dataclasses.replace(self, input=(1, rows, columns, channels),
                                    filter=(*self.filter[:2], channels, min(self.filter[3], 20)))
        return dataclasses.replace(small, output=output_shape(small))


def read_layers(path, network, batch):
    """The network's layers, but for grouped ones; and how many of those there are."""
    try:
        problems = read_problems(path, batch, [network], "f32")
    except ProblemError as error:
        raise SystemExit(str(error)) from None
    layers = [Layer(problem.network, problem.short_name, problem.count, problem.input, problem.filter, problem.output,
                    problem.strides, problem.dilations, problem.padding) for problem in problems if problem.groups == 1]
    return layers, len(problems) - len(layers)


def compute(layer, op, first, second, result):
    """Adds op of first and second to result, all three NumPy arrays or all three PyTorch tensors.

    A matrix product for each tap of the filter, so float64 operands give a result that float32 ones can be held to.
    """
    for r, (rows, out_rows) in enumerate(layer.windows(0)):
        for s, (columns, out_columns) in enumerate(layer.windows(1)):
            inside = (slice(None), rows, columns)
            outside = (slice(None), out_rows, out_columns)
            if op == "conv2d":
                result[outside] += first[inside] @ second[r, s]
            elif op == "conv2d_backprop_input":
                result[inside] += second[outside] @ first[r, s].T
            else:
                result[r, s] += first[inside].reshape(-1, layer.filter[2]).T @ second[outside].reshape(
                    -1, layer.filter[3])
    return result


def largest_error(result, exact, magnitude):
    """The largest |result - exact| as a part of the sum of the products' absolute values; NaN if any element is."""
    error = abs(result - exact)
    error[magnitude > 0] /= magnitude[magnitude > 0]
    return float(error.max())


def error_bound(layer, op):
    """What a float32 sum in any order may be off, in the unit of largest_error."""
    return (layer.terms(op) + 2) * FLOAT32_EPSILON
