"""PyTorch's side of build_tools/bench, on the CPU: aten::convolution_backward, which autograd calls."""

import pathlib
import sys

import torch
from python_worker import serve


# PyTorch pads both sides of a dimension alike. A layer that cannot be written so gets its input padded beforehand and
# gives the gradient of the padded input; neither is counted.
class Gradient:
    def __init__(self, problem):
        self._problem = problem
        self._format = torch.contiguous_format if problem.nchw else torch.channels_last
        top, bottom, left, right = problem.pads
        self._padding = (top, left)
        self._pads = (0, 0, 0, 0)  # left, right, top, bottom: torch.nn.functional.pad's order
        if not self._same_output():
            self._padding = (0, 0)
            self._pads = (left, right, top, bottom)
        shape = problem.input
        self._input_shape = (shape[0], shape[3], shape[1] + sum(self._pads[2:]), shape[2] + sum(self._pads[:2]))
        self._out_backprop = self._image(problem.out_backprop)
        if problem.by_input:
            self._filter = self._from_hwio(problem.first)
            zeros = torch.zeros(self._input_shape, dtype=self._filter.dtype)
            self._input = zeros.contiguous(memory_format=self._format)
        else:
            padded = torch.nn.functional.pad(self._image(problem.first), self._pads)
            self._input = padded.contiguous(memory_format=self._format)
            self._filter = self._from_hwio(torch.zeros(problem.filter, dtype=padded.dtype))
        self._result = None

    def _same_output(self):
        problem = self._problem
        for dimension in (0, 1):
            extent = (problem.filter[dimension] - 1) * problem.dilations[dimension] + 1
            room = problem.input[1 + dimension] + 2 * self._padding[dimension] - extent
            if room // problem.strides[dimension] + 1 != problem.output[1 + dimension]:
                return False
        return True

    def _image(self, array):
        image = torch.from_numpy(array)
        return (image if self._problem.nchw else image.permute(0, 3, 1, 2)).contiguous(memory_format=self._format)

    def _from_hwio(self, array):
        return torch.as_tensor(array).permute(3, 2, 0, 1).contiguous(memory_format=self._format)

    def run(self):
        by_input, problem = self._problem.by_input, self._problem
        results = torch.ops.aten.convolution_backward(
            self._out_backprop,
            self._input,
            self._filter,
            None,
            problem.strides,
            self._padding,
            problem.dilations,
            False,
            [0, 0],
            problem.groups,
            [by_input, not by_input, False],
        )
        self._result = results[0 if by_input else 1]

    def result(self):
        if not self._problem.by_input:
            return self._result.permute(2, 3, 1, 0).contiguous().numpy()
        left, right, top, bottom = self._pads
        height, width = self._result.shape[2:]
        inside = self._result[:, :, top : height - bottom, left : width - right]
        return (inside if self._problem.nchw else inside.permute(0, 2, 3, 1)).contiguous().numpy()


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_grad_enabled(False)
    library = pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    onednn = [line.strip() for line in torch.__config__.show().splitlines() if "MKL-DNN" in line or "oneDNN" in line]
    serve(
        {
            "name": "PyTorch",
            "version": torch.__version__,
            "detail": "; ".join(onednn).lstrip("- "),
            "libraries": [str(library)],
        },
        Gradient,
    )
