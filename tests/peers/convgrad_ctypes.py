"""convgrad's C API through ctypes, on numpy arrays."""

import ctypes
import os

import numpy as np

OK, INVALID_ARGUMENT, UNSUPPORTED = 0, 1, 2
NHWC, NCHW = 0, 1
VALID, SAME, EXPLICIT = 0, 1, 2


class Attrs(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("strides", ctypes.c_int64 * 2),
        ("dilations", ctypes.c_int64 * 2),
        ("explicit_paddings", ctypes.c_int64 * 4),
        ("padding", ctypes.c_int32),
        ("data_format", ctypes.c_int32),
        ("accumulate", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("memory", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 4),
        ("strides", ctypes.c_int64 * 4),
        ("byte_offset", ctypes.c_int64),
    ]


def _load():
    path = os.environ.get("CONVGRAD_SHARED_LIBRARY")
    if not path:
        raise RuntimeError("CONVGRAD_SHARED_LIBRARY has to name the shared library to test")
    library = ctypes.CDLL(path)
    pointers = [ctypes.POINTER(Attrs)] + [ctypes.POINTER(Tensor)] * 3
    for name in ("conv2d", "conv2d_backprop_input", "conv2d_backprop_filter", "conv2d_transpose"):
        getattr(library, "convgrad_" + name).argtypes = [ctypes.c_void_p] + pointers
    library.convgrad_conv2d_output_shape.argtypes = [pointers[0]] + [ctypes.POINTER(ctypes.c_int64)] * 3
    library.convgrad_last_error.restype = ctypes.c_char_p
    library.convgrad_version.restype = ctypes.c_char_p
    return library


_library = _load()


class Error(Exception):
    def __init__(self, status):
        self.status = status
        super().__init__(f"status {status}: {_library.convgrad_last_error().decode()}")


def version():
    return _library.convgrad_version().decode()


def attrs(strides, dilations, padding, data_format):
    """padding is "VALID", "SAME" or (top, bottom, left, right)."""
    result = Attrs(struct_size=ctypes.sizeof(Attrs), data_format={"NHWC": NHWC, "NCHW": NCHW}[data_format])
    result.strides[:] = strides
    result.dilations[:] = dilations
    if isinstance(padding, str):
        result.padding = {"VALID": VALID, "SAME": SAME}[padding]
    else:
        result.padding = EXPLICIT
        result.explicit_paddings[:] = padding
    return result


def _shape4(shape):
    return (ctypes.c_int64 * 4)(*shape)


def _tensor(array, shape=None):
    assert array.dtype == np.float32 and array.flags.c_contiguous
    return Tensor(data=array.ctypes.data, shape=_shape4(array.shape if shape is None else shape))


def output_shape(attributes, input_shape, filter_shape):
    shape = _shape4([0] * 4)
    status = _library.convgrad_conv2d_output_shape(attributes, _shape4(input_shape), _shape4(filter_shape), shape)
    if status != OK:
        raise Error(status)
    return tuple(shape)


def call(op, attributes, first, second, result_shape):
    """Runs op ("conv2d", "conv2d_backprop_input", ...) with its operands in the C function's order."""
    result = np.full(result_shape, np.nan, np.float32)  # what is left unwritten is not equal to anything
    status = getattr(_library, "convgrad_" + op)(None, attributes, _tensor(first), _tensor(second), _tensor(result))
    if status != OK:
        raise Error(status)
    return result


def verdict(op, attributes, first_shape, second_shape, result_shape, capacity):
    """The status of a call whose tensors claim these shapes, and whether it wrote anything.

    Each tensor has room for `capacity` elements; a shape that needs more has to be refused unread.
    """
    arrays = [np.full(capacity, 7, np.float32) for _ in range(3)]
    tensors = [_tensor(a, s) for a, s in zip(arrays, (first_shape, second_shape, result_shape))]
    status = getattr(_library, "convgrad_" + op)(None, attributes, *tensors)
    return status, _library.convgrad_last_error().decode(), bool((arrays[2] != 7).any())
