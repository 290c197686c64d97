"""The little of CUDA's driver API that PyTorch does not show: its context, and kernels from PTX."""

import ctypes


class Driver:
    def __init__(self):
        self._cuda = ctypes.CDLL("libcuda.so.1")
        self._cuda.cuGetErrorString.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
        self._cuda.cuModuleGetFunction.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p]
        self._cuda.cuLaunchKernel.argtypes = [ctypes.c_void_p] + [ctypes.c_uint] * 7 + [ctypes.c_void_p] * 3

    def _check(self, what, status):
        if status == 0:
            return
        text = ctypes.c_char_p()
        self._cuda.cuGetErrorString(status, text)
        raise RuntimeError(f"{what}: {(text.value or b'unknown error').decode()} ({status})")

    def version(self):
        """Of the newest CUDA that the driver knows, for example 13.0."""
        number = ctypes.c_int()
        self._check("cuDriverGetVersion", self._cuda.cuDriverGetVersion(ctypes.byref(number)))
        return f"{number.value // 1000}.{number.value % 1000 // 10}"

    def current_context(self):
        context = ctypes.c_void_p()
        self._check("cuCtxGetCurrent", self._cuda.cuCtxGetCurrent(ctypes.byref(context)))
        return context.value

    def load(self, ptx, name):
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._check("cuModuleLoadData", self._cuda.cuModuleLoadData(ctypes.byref(module), ptx.encode()))
        self._check("cuModuleGetFunction",
                    self._cuda.cuModuleGetFunction(ctypes.byref(function), module, name.encode()))
        return function

    def launch(self, function, blocks, threads, stream, arguments):
        """arguments: ctypes objects in the kernel's order."""
        pointers = (ctypes.c_void_p * len(arguments))(*[ctypes.addressof(argument) for argument in arguments])
        self._check("cuLaunchKernel",
                    self._cuda.cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, pointers, None))
