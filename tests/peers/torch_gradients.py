"""convgrad beside PyTorch's autograd, in both element types: the problems of TensorFlow's own tests, and random ones. All
data are small integers, so results have to be equal, not close. Ends with status 1 where one is not.

Run by build/bench/torch/bin/python3, which build_tools/bench makes; there is no pytest there."""

import collections
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))  # convgrad_ctypes, tally

import convgrad_ctypes as convgrad
import numpy as np
import problems
import tally
import torch

LEAST = 150  # problems of an element type that PyTorch has to answer
MOST_PADDED = 1 << 24  # elements of an image that is padded by hand, as PyTorch pads both sides alike only


def pads(problem):
    """(top, bottom, left, right)"""
    if not isinstance(problem.padding, str):
        return problem.padding
    if problem.padding == "VALID":
        return (0, 0, 0, 0)
    first = 2 if problem.data_format == "NCHW" else 1
    result = []
    for i in range(2):
        extent = (problem.filter_sizes[i] - 1) * problem.dilations[i] + 1
        read = (problem.output_sizes[first + i] - 1) * problem.strides[i] + extent
        total = max(read - problem.input_sizes[first + i], 0)
        result += [total // 2, total - total // 2]
    return tuple(result)


class Left(Exception):
    """A problem that PyTorch is not asked, or does not answer."""


def theirs(problem, input, filter, out_backprop):
    """The output and autograd's gradients by input and filter, in the problem's layouts."""
    nchw = problem.data_format == "NCHW"
    images = lambda array: torch.from_numpy(array) if nchw else torch.from_numpy(array).permute(0, 3, 1, 2)
    back = lambda image: (image if nchw else image.permute(0, 2, 3, 1)).contiguous().numpy()
    x = images(input).contiguous().requires_grad_()
    w = torch.from_numpy(filter).permute(3, 2, 0, 1).contiguous().requires_grad_()
    top, bottom, left, right = pads(problem)
    height, width = x.shape[2:]
    if max(1, x.shape[0] * x.shape[1]) * (height + top + bottom) * (width + left + right) > MOST_PADDED:
        raise Left("padded, its image is too large")
    try:
        y = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (left, right, top, bottom)), w, None, problem.strides,
                                       0, problem.dilations, problem.groups())
        y.backward(images(out_backprop))
    except RuntimeError as error:
        raise Left("PyTorch: " + str(error).splitlines()[0][:100]) from None
    return back(y.detach()), back(x.grad), w.grad.permute(2, 3, 1, 0).contiguous().numpy()


def ours(problem, input, filter, out_backprop):
    attrs = problem.attrs()
    return (
        convgrad.call("conv2d", attrs, input, filter, problem.output_sizes),
        convgrad.call("conv2d_backprop_input", attrs, filter, out_backprop, problem.input_sizes),
        convgrad.call("conv2d_backprop_filter", attrs, input, out_backprop, problem.filter_sizes),
    )


def main():
    asked = {}
    for problem in problems.tensorflow_cases():  # a case is of one op: each problem once
        key = (problem.data_format, problem.input_sizes, problem.filter_sizes, problem.strides, problem.dilations,
               problem.padding)
        asked.setdefault(key, problem)
    asked = [*asked.values(), *problems.random_problems(96, seed=1, for_cpu_kernels=True),
             *problems.random_problems(96, seed=3, for_cpu_kernels=False)]
    compared, left, wrong = collections.Counter(), collections.Counter(), 0
    for problem in asked:
        for dtype in (np.float32, np.float64):
            shapes = (problem.input_sizes, problem.filter_sizes, problem.output_sizes)
            operands = [problems.integers(shape, seed).astype(dtype) for seed, shape in enumerate(shapes)]
            try:
                expected = theirs(problem, *operands)
            except Left as reason:
                left[str(reason)] += 1
                continue
            compared[dtype.__name__] += 1
            for what, mine, other in zip(("conv2d", "backprop_input", "backprop_filter"), ours(problem, *operands), expected):
                if mine.shape != other.shape or mine.dtype != other.dtype or not np.array_equal(mine, other):
                    print(f"{what}, {dtype.__name__}: convgrad and PyTorch differ on {problem!r}", file=sys.stderr)
                    wrong += 1
    version = torch.__version__
    said = ", ".join(f"{count} of {name}" for name, count in sorted(compared.items()))
    print(f"PyTorch {version}: {said}; {wrong} results differ")
    for reason, count in left.items():
        print(f"left out {count}: {reason}")
    tally.add("peers_torch", f"problems tried: {sum(compared.values())} ({said}, by PyTorch {version})")
    return 1 if wrong or min(compared[name] for name in ("float32", "float64")) < LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
