"""cuDNN's convolutions with an algorithm of one's own choice, which PyTorch does not offer.

The library is the one that PyTorch has loaded. These functions are deprecated, and there in cuDNN 7 to 9.
"""

import ctypes

from peers import algorithm_number

NCHW, NHWC = 0, 1
FLOAT = 0
CROSS_CORRELATION = 1
DEFAULT_MATH, FMA_MATH = 0, 3  # with float32, TF32 allowed or not

_DESCRIPTORS = ("Tensor", "Filter", "Convolution")
_FUNCTIONS = {  # (workspace size, run)
    "conv2d": ("cudnnGetConvolutionForwardWorkspaceSize", "cudnnConvolutionForward"),
    "conv2d_backprop_input": ("cudnnGetConvolutionBackwardDataWorkspaceSize", "cudnnConvolutionBackwardData"),
    "conv2d_backprop_filter": ("cudnnGetConvolutionBackwardFilterWorkspaceSize", "cudnnConvolutionBackwardFilter"),
}


class Library:
    def __init__(self, version):
        """version: as torch.backends.cudnn.version() tells it."""
        # From 9 on 10000 a major version, before 1000.
        self._cudnn = ctypes.CDLL(f"libcudnn.so.{version // 10000 if version >= 90000 else version // 1000}")
        self._cudnn.cudnnGetErrorString.restype = ctypes.c_char_p
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        self._cudnn.cudnnCreate.argtypes = [pointer]
        self._cudnn.cudnnSetStream.argtypes = [pointer] * 2
        self._cudnn.cudnnSetTensor4dDescriptor.argtypes = [pointer] + [ctypes.c_int] * 6
        self._cudnn.cudnnSetFilter4dDescriptor.argtypes = [pointer] + [ctypes.c_int] * 6
        self._cudnn.cudnnSetConvolution2dDescriptor.argtypes = [pointer] + [ctypes.c_int] * 8
        self._cudnn.cudnnSetConvolutionMathType.argtypes = [pointer, ctypes.c_int]
        for kind in _DESCRIPTORS:
            getattr(self._cudnn, f"cudnnCreate{kind}Descriptor").argtypes = [pointer]
            getattr(self._cudnn, f"cudnnDestroy{kind}Descriptor").argtypes = [pointer]
        for get_size, run in _FUNCTIONS.values():
            getattr(self._cudnn, get_size).argtypes = [pointer] * 5 + [ctypes.c_int, pointer]
            getattr(self._cudnn, run).argtypes = (
                [pointer] * 7 + [ctypes.c_int, pointer, size] + [pointer] * 3)
        self._handle = pointer()

    def open(self, stream):
        """Needs a device."""
        self.call("cudnnCreate", ctypes.byref(self._handle))
        self.call("cudnnSetStream", self._handle, stream)

    def call(self, name, *arguments):
        """RuntimeError with cuDNN's text, most often that it has not this algorithm for this problem."""
        status = getattr(self._cudnn, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name}: {self._cudnn.cudnnGetErrorString(status).decode()}")

    def with_handle(self, name, *arguments):
        self.call(name, self._handle, *arguments)


class Convolution:
    """One operation on one layer. The operands' memory is as peers.FORMATS says; filters are OIHW, or OHWI."""

    def __init__(self, library, layer, op, peer):
        self._library, self._op = library, op
        self._algorithm = algorithm_number(op, peer.choice)
        self._descriptors = []
        layout = NHWC if peer.memory_format == "channels_last" else NCHW
        n, h, w, c = layer.input
        _, p, q, k = layer.output
        x, y = self._create("Tensor"), self._create("Tensor")
        filter, convolution = self._create("Filter"), self._create("Convolution")
        call = library.call
        call("cudnnSetTensor4dDescriptor", x, layout, FLOAT, n, c, h, w)
        call("cudnnSetTensor4dDescriptor", y, layout, FLOAT, n, k, p, q)
        call("cudnnSetFilter4dDescriptor", filter, FLOAT, layout, k, c, *layer.filter[:2])
        call("cudnnSetConvolution2dDescriptor", convolution, *layer.symmetric_pads(), *layer.strides, *layer.dilations,
             CROSS_CORRELATION, FLOAT)
        call("cudnnSetConvolutionMathType", convolution, DEFAULT_MATH if peer.tf32 else FMA_MATH)
        self._convolution = convolution
        self._first, self._second, self._result = {
            "conv2d": (x, filter, y),
            "conv2d_backprop_input": (filter, y, x),
            "conv2d_backprop_filter": (x, y, filter),
        }[op]
        size = ctypes.c_size_t()
        library.with_handle(_FUNCTIONS[op][0], self._first, self._second, convolution, self._result, self._algorithm,
                            ctypes.byref(size))
        self.workspace_size = size.value

    def run(self, first, second, result, workspace):
        """Addresses on the device."""
        one, zero = ctypes.c_float(1), ctypes.c_float(0)
        self._library.with_handle(_FUNCTIONS[self._op][1], ctypes.byref(one), self._first, first, self._second, second,
                                  self._convolution, self._algorithm, workspace, self.workspace_size,
                                  ctypes.byref(zero), self._result, result)

    def _create(self, kind):
        descriptor = ctypes.c_void_p()
        self._library.call(f"cudnnCreate{kind}Descriptor", ctypes.byref(descriptor))
        self._descriptors.append((kind, descriptor))
        return descriptor

    def __del__(self):
        for kind, descriptor in self._descriptors:
            self._library.call(f"cudnnDestroy{kind}Descriptor", descriptor)
