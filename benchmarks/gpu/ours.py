"""convgrad's side: layers as its API takes them."""

import dataclasses
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "support"))
import convgrad_ctypes as convgrad  # noqa: E402

DATA_FORMATS = {"channels_last": "NHWC", "contiguous": "NCHW"}


def attrs(layer, memory_format="channels_last"):
    return convgrad.attrs(layer.strides, layer.dilations, layer.padding, DATA_FORMATS[memory_format])


def output_shape(layer):
    return convgrad.output_shape(attrs(layer), layer.input, layer.filter)


def with_pads(layer):
    """The layer, knowing where the library places its padding.

    The library is asked: with one channel, a gradient of 1 at output (0, 0) and taps numbered from 1, an input element
    (h, w) gets the number of tap (r, s) = (h + top, w + left) over the dilation.
    """
    taps = np.arange(1, 1 + layer.filter[0] * layer.filter[1], dtype=np.float32)
    out_backprop = np.zeros((1, *layer.output[1:3], 1), np.float32)
    out_backprop[0, 0, 0, 0] = 1
    gradient = convgrad.call("conv2d_backprop_input", attrs(layer), taps.reshape(*layer.filter[:2], 1, 1), out_backprop,
                             (1, *layer.input[1:3], 1))
    met = np.argwhere(gradient)
    if len(met) == 0:
        raise SystemExit(f"{layer.name}: its first window meets no element of the input")
    h, w = (int(i) for i in met[0][1:3])
    r, s = divmod(int(gradient[0, h, w, 0]) - 1, layer.filter[1])
    return dataclasses.replace(layer, pads=(r * layer.dilations[0] - h, s * layer.dilations[1] - w))


def target_of(kernel):
    """"" for a name that no kernel has."""
    return next((info.target.decode() for info in convgrad.kernels() if info.name.decode() == kernel), "")


def why_unusable(target):
    """The library's own reason; None if the target can be used here."""
    try:
        convgrad.Context(target)
    except convgrad.Error as error:
        return str(error)
    return None


def plan(context, layer, op, memory_format, memory):
    """convgrad.Error, with the library's reason, where there is none."""
    def nchw(shape):
        return (shape[0], shape[3], shape[1], shape[2])

    shapes = list(layer.shapes(op))
    if memory_format == "contiguous":  # filters are HWIO in either
        images = {"conv2d": (0, 2), "conv2d_backprop_input": (1, 2), "conv2d_backprop_filter": (0, 1)}[op]
        shapes = [nchw(shape) if i in images else shape for i, shape in enumerate(shapes)]
    return convgrad.Plan(context, op, attrs(layer, memory_format), shapes, memory)
