"""TensorFlow's side of build_tools/bench, on the CPU: the raw gradient ops, eagerly."""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf
from python_worker import serve


class Gradient:
    def __init__(self, problem):
        if problem.nchw:
            raise ValueError("TensorFlow's CPU kernels of the gradients take NHWC only")
        depthwise = problem.filter[2] == 1 and problem.groups > 1
        if problem.groups > 1 and not depthwise:
            raise ValueError("TensorFlow's CPU kernels take no groups but depthwise ones")
        top, bottom, left, right = problem.pads
        attributes = {
            "strides": [1, *problem.strides, 1],
            "dilations": [1, *problem.dilations, 1],
            "data_format": "NHWC",
            "padding": "EXPLICIT" if any(problem.pads) else "VALID",
            "explicit_paddings": [0, 0, top, bottom, left, right, 0, 0] if any(problem.pads) else [],
        }
        filter_shape = problem.filter
        if depthwise:
            filter_shape = (*problem.filter[:2], problem.groups, problem.filter[3] // problem.groups)
        self._shape = problem.filter
        first = problem.first.reshape(filter_shape) if problem.by_input else problem.first
        operands = {
            "filter" if problem.by_input else "input": tf.constant(first),
            "out_backprop": tf.constant(problem.out_backprop),
        }
        if problem.by_input:
            self._shape = problem.input
            operands["input_sizes"] = tf.constant(problem.input)
            op = tf.raw_ops.DepthwiseConv2dNativeBackpropInput if depthwise else tf.raw_ops.Conv2DBackpropInput
        else:
            operands["filter_sizes"] = tf.constant(filter_shape)
            op = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter if depthwise else tf.raw_ops.Conv2DBackpropFilter
        self._call = lambda: op(**operands, **attributes)
        self._result = None

    def run(self):
        self._result = self._call()

    def result(self):
        return self._result.numpy().reshape(self._shape)


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")
    here = pathlib.Path(tf.__file__).parent
    onednn = "off" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "on, its default on this architecture"
    serve(
        {
            "name": "TensorFlow",
            "version": tf.__version__,
            "detail": f"TF_ENABLE_ONEDNN_OPTS: {onednn}",
            "libraries": [str(path) for path in sorted(here.glob("libtensorflow_*.so*"))],
        },
        Gradient,
    )
