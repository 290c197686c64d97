"""convgrad's C API through ctypes, on numpy arrays."""

import ctypes
import os

import numpy as np

OK, INVALID_ARGUMENT, UNSUPPORTED = 0, 1, 2
NHWC, NCHW = 0, 1
VALID, SAME, EXPLICIT = 0, 1, 2
HOST, CUDA, OPENCL = 0, 1, 2
OPS = ("conv2d", "conv2d_backprop_input", "conv2d_backprop_filter")  # in the order of their numbers


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


class ContextOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("num_threads", ctypes.c_int32),
        ("strict", ctypes.c_int32),
        ("target", ctypes.c_char_p),
        ("kernel", ctypes.c_char_p),
        ("parallel_for", ctypes.c_void_p),
        ("pool", ctypes.c_void_p),
        ("allocate", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("memory", ctypes.c_void_p),
        ("device", ctypes.c_void_p),
        ("queue", ctypes.c_void_p),
    ]


class KernelInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("target", ctypes.c_char_p),
        ("algorithm", ctypes.c_char_p),
        ("op", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("usable_here", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


def _load():
    path = os.environ.get("CONVGRAD_SHARED_LIBRARY")
    if not path:
        raise RuntimeError("CONVGRAD_SHARED_LIBRARY has to name the shared library")
    library = ctypes.CDLL(path)
    pointers = [ctypes.POINTER(Attrs)] + [ctypes.POINTER(Tensor)] * 3
    for name in ("conv2d", "conv2d_backprop_input", "conv2d_backprop_filter", "conv2d_transpose"):
        getattr(library, "convgrad_" + name).argtypes = [ctypes.c_void_p] + pointers
    library.convgrad_conv2d_output_shape.argtypes = [pointers[0]] + [ctypes.POINTER(ctypes.c_int64)] * 3
    library.convgrad_context_create.argtypes = [ctypes.POINTER(ContextOptions), ctypes.POINTER(ctypes.c_void_p)]
    library.convgrad_context_destroy.argtypes = [ctypes.c_void_p]
    library.convgrad_context_destroy.restype = None
    library.convgrad_plan_create.argtypes = (
        [ctypes.c_void_p, ctypes.c_int32] + pointers + [ctypes.POINTER(ctypes.c_void_p)])
    library.convgrad_plan_run.argtypes = [ctypes.c_void_p] * 5
    library.convgrad_plan_kernel.argtypes = [ctypes.c_void_p]
    library.convgrad_plan_kernel.restype = ctypes.c_char_p
    library.convgrad_plan_destroy.argtypes = [ctypes.c_void_p]
    library.convgrad_plan_destroy.restype = None
    library.convgrad_kernel_count.restype = ctypes.c_size_t
    library.convgrad_kernel_at.argtypes = [ctypes.c_size_t]
    library.convgrad_kernel_at.restype = ctypes.POINTER(KernelInfo)
    library.convgrad_last_error.restype = ctypes.c_char_p
    library.convgrad_version.restype = ctypes.c_char_p
    return library


_library = _load()


class Error(Exception):
    def __init__(self, status):
        self.status = status
        super().__init__(f"status {status}: {_library.convgrad_last_error().decode()}")


def _check(status):
    if status != OK:
        raise Error(status)


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
    assert array.flags.c_contiguous
    dtype = {np.float32: 0, np.float64: 1}[array.dtype.type]
    return Tensor(data=array.ctypes.data, dtype=dtype, shape=_shape4(array.shape if shape is None else shape))


def output_shape(attributes, input_shape, filter_shape):
    shape = _shape4([0] * 4)
    _check(_library.convgrad_conv2d_output_shape(attributes, _shape4(input_shape), _shape4(filter_shape), shape))
    return tuple(shape)


def call(op, attributes, first, second, result_shape):
    """Runs op ("conv2d", "conv2d_backprop_input", ...) with its operands in the C function's order."""
    result = np.full(result_shape, np.nan, first.dtype)  # what is left unwritten is not equal to anything
    _check(getattr(_library, "convgrad_" + op)(None, attributes, _tensor(first), _tensor(second), _tensor(result)))
    return result


def verdict(op, attributes, first_shape, second_shape, result_shape, capacity):
    """The status of a call whose tensors claim these shapes, and whether it wrote anything.

    Each tensor has room for `capacity` elements; a shape that needs more has to be refused unread.
    """
    arrays = [np.full(capacity, 7, np.float32) for _ in range(3)]
    tensors = [_tensor(a, s) for a, s in zip(arrays, (first_shape, second_shape, result_shape))]
    status = getattr(_library, "convgrad_" + op)(None, attributes, *tensors)
    return status, _library.convgrad_last_error().decode(), bool((arrays[2] != 7).any())


class Context:
    """A convgrad_context, destroyed with the object; device and queue are a CUDA or OpenCL context and its queue.

    kernel: the name of the only one that it uses.
    """

    def __init__(self, target=None, device=None, queue=None, kernel=None):
        options = ContextOptions(struct_size=ctypes.sizeof(ContextOptions), device=device, queue=queue)
        options.target = None if target is None else target.encode()
        options.kernel = None if kernel is None else kernel.encode()
        self.handle = ctypes.c_void_p()
        _check(_library.convgrad_context_create(options, self.handle))

    def __del__(self):
        _library.convgrad_context_destroy(self.handle)


class Plan:
    """A convgrad_plan: op is one of OPS, shapes are those of first, second and result, memory is theirs."""

    def __init__(self, context, op, attributes, shapes, memory=HOST):
        tensors = [Tensor(memory=memory, shape=_shape4(shape)) for shape in shapes]
        self.handle = ctypes.c_void_p()
        _check(_library.convgrad_plan_create(context.handle, OPS.index(op), attributes, *tensors, self.handle))

    def kernel(self):
        return _library.convgrad_plan_kernel(self.handle).decode()

    def run(self, first, second, result):
        """Addresses, of the planned memory."""
        _check(_library.convgrad_plan_run(self.handle, first, second, result, None))

    def __del__(self):
        _library.convgrad_plan_destroy(self.handle)


def kernels():
    return [_library.convgrad_kernel_at(i).contents for i in range(_library.convgrad_kernel_count())]
