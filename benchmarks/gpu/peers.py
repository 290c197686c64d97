"""What convgrad is measured beside: PyTorch's ways to choose one of cuDNN's algorithms, and those by name."""

import dataclasses

FORMATS = ("channels_last", "contiguous")  # PyTorch's names; NHWC and NCHW

# How PyTorch chooses: by cuDNN's heuristics; by trying the best ten of those; by heuristics among deterministic ones.
PYTORCH_CHOICES = ("default", "benchmark", "deterministic")

# cuDNN's algorithms by their numbers in cudnn_ops.h. Those of IMPLICIT_GEMM are what its documentation calls a matrix
# product, or a sum of them, without forming the matrix that holds the input.
ALGORITHMS = {
    "conv2d": ("IMPLICIT_GEMM", "IMPLICIT_PRECOMP_GEMM", "GEMM", "DIRECT", "FFT", "FFT_TILING", "WINOGRAD",
               "WINOGRAD_NONFUSED"),
    "conv2d_backprop_input": ("ALGO_0", "ALGO_1", "FFT", "FFT_TILING", "WINOGRAD", "WINOGRAD_NONFUSED"),
    "conv2d_backprop_filter": ("ALGO_0", "ALGO_1", "FFT", "ALGO_3", "WINOGRAD", "WINOGRAD_NONFUSED", "FFT_TILING"),
}
IMPLICIT_GEMM = {
    "conv2d": ("IMPLICIT_GEMM", "IMPLICIT_PRECOMP_GEMM"),
    "conv2d_backprop_input": ("ALGO_0", "ALGO_1"),
    "conv2d_backprop_filter": ("ALGO_0", "ALGO_1", "ALGO_3"),
}


@dataclasses.dataclass(frozen=True)
class Peer:
    by: str  # "PyTorch", or "cuDNN" called directly
    choice: str
    memory_format: str
    tf32: bool

    def __str__(self):
        return f"{self.by} {self.choice}, {self.memory_format}, TF32 {'on' if self.tf32 else 'off'}"


def peers(op):
    """All of them, in the order of the table."""
    choices = [("PyTorch", choice) for choice in PYTORCH_CHOICES] + [("cuDNN", name) for name in ALGORITHMS[op]]
    return [Peer(by, choice, memory_format, tf32)
            for tf32 in (False, True) for by, choice in choices for memory_format in FORMATS]


def algorithm_number(op, name):
    return ALGORITHMS[op].index(name)


def is_implicit_gemm(op, peer):
    return peer.by == "cuDNN" and peer.choice in IMPLICIT_GEMM[op]
