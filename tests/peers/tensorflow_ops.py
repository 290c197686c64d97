"""TensorFlow's answers to a problem, from its CPU kernels or, where those refuse, from XLA."""

import collections

import tensorflow as tf

compared = collections.Counter()  # peer -> how many problems; conftest.py prints it


def needs_xla(problem):
    """TensorFlow's CPU kernels take NHWC, dilation 1 and one group; test_cpu_kernels_refuse holds that."""
    return problem.data_format != "NHWC" or problem.dilations != (1, 1) or problem.groups() != 1


def peer(problem):
    return "XLA" if needs_xla(problem) else "TensorFlow's CPU kernels"


def raw_attributes(problem):
    def in_format(batch, height_width, channel):
        if problem.data_format == "NCHW":
            return [batch, channel, *height_width]
        return [batch, *height_width, channel]

    attributes = {
        "strides": in_format(1, problem.strides, 1),
        "dilations": in_format(1, problem.dilations, 1),
        "data_format": problem.data_format,
        "padding": problem.padding,
    }
    if not isinstance(problem.padding, str):
        top, bottom, left, right = problem.padding
        pairs = in_format((0, 0), ((top, bottom), (left, right)), (0, 0))
        attributes["padding"] = "EXPLICIT"
        attributes["explicit_paddings"] = [pad for pair in pairs for pad in pair]
    return attributes


def _nn_attributes(problem):
    """tf.nn's own form: pads as a list of pairs."""
    attributes = raw_attributes(problem)
    pads = attributes.pop("explicit_paddings", None)
    if pads is not None:
        attributes["padding"] = [pads[i : i + 2] for i in range(0, 8, 2)]
    return attributes


def _run(problem, function, *arrays):
    if needs_xla(problem):
        function = tf.function(function, jit_compile=True)
    with tf.device("/CPU:0"):
        results = function(*[tf.constant(array) for array in arrays])
    return [result.numpy() for result in results]


def raw_backprop_input(problem, filter, out_backprop):
    def function(w, dy):
        return [tf.raw_ops.Conv2DBackpropInput(
            input_sizes=problem.input_sizes, filter=w, out_backprop=dy, **raw_attributes(problem))]

    return _run(problem, function, filter, out_backprop)[0]


def raw_backprop_filter(problem, input, out_backprop):
    def function(x, dy):
        return [tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=problem.filter_sizes, out_backprop=dy, **raw_attributes(problem))]

    return _run(problem, function, input, out_backprop)[0]


def conv2d_and_gradients(problem, input, filter, out_backprop):
    """tf.nn.conv2d, and tf.GradientTape's gradients by input and filter."""

    def function(x, w, dy):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = tf.nn.conv2d(x, w, **_nn_attributes(problem))
        return [y, *tape.gradient(y, [x, w], output_gradients=dy)]

    return _run(problem, function, input, filter, out_backprop)


def conv2d_transpose_and_gradients(problem, input, filter, out_backprop):
    """tf.nn.conv2d_transpose of out_backprop, and the gradients by out_backprop and filter where `input` flows back."""

    def function(g, w, dy):
        with tf.GradientTape() as tape:
            tape.watch([dy, w])
            x = tf.nn.conv2d_transpose(dy, w, problem.input_sizes, **_nn_attributes(problem))
        return [x, *tape.gradient(x, [dy, w], output_gradients=g)]

    return _run(problem, function, input, filter, out_backprop)
