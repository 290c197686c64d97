"""convgrad beside TensorFlow. All data are small integers, so results have to be equal, not close."""

import math

import convgrad_ctypes as convgrad
import numpy as np
import problems
import pytest
import tensorflow as tf
import tensorflow_ops as tfo

CASES = problems.tensorflow_cases()
RANDOM = problems.random_problems(96, seed=1, for_cpu_kernels=True) + problems.random_problems(
    32, seed=2, for_cpu_kernels=False
)


def assert_equal(ours, theirs, what):
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), what
    if not np.array_equal(ours, theirs):
        at = tuple(int(i) for i in np.argwhere(ours != theirs)[0])
        pytest.fail(f"{what}: element {at} is {ours[at]}, TensorFlow's {theirs[at]}")


def operands(problem, dtype=np.float32):
    shapes = (problem.input_sizes, problem.filter_sizes, problem.output_sizes)
    return [problems.integers(shape, seed).astype(dtype) for seed, shape in enumerate(shapes)]


def each_dtype(all_problems):
    """float64 takes the same way through convgrad: a part of the problems will do."""
    both = [(problem, np.float32) for problem in all_problems] + [(problem, np.float64) for problem in all_problems[::2]]
    return pytest.mark.parametrize("problem, dtype", both, ids=lambda value: getattr(value, "__name__", str(value)))


def backprop_input(problem, filter, out_backprop):
    return convgrad.call("conv2d_backprop_input", problem.attrs(), filter, out_backprop, problem.input_sizes)


def backprop_filter(problem, input, out_backprop):
    return convgrad.call("conv2d_backprop_filter", problem.attrs(), input, out_backprop, problem.filter_sizes)


def has_empty_rows_defect(problem):
    """TensorFlow's CPU backprop_filter returns uninitialised memory where out_backprop is empty but for its batch."""
    return not tfo.needs_xla(problem) and 0 in problem.output_sizes and problem.output_sizes[0] > 0


def has_empty_window_defect(problem):
    """XLA's backprop_input has a wrong shape where out_backprop is empty because the filter is wider than the input."""
    return tfo.needs_xla(problem) and problem.padding == "VALID" and 0 in problem.output_sizes[1:]


@each_dtype(CASES)
def test_tensorflow_case(problem, dtype):
    """The problems of TensorFlow's own tests, by the raw gradient ops."""
    out_backprop = problems.case_operand(problem, "out_backprop").astype(dtype)
    peer = tfo.peer(problem)
    if problem.op == "backprop_input":
        filter = problems.case_operand(problem, "filter").astype(dtype)
        ours = backprop_input(problem, filter, out_backprop)
        if has_empty_window_defect(problem):
            theirs, peer = np.zeros(problem.input_sizes, dtype), "zeros, for XLA's wrong shape"
        else:
            theirs = tfo.raw_backprop_input(problem, filter, out_backprop)
    else:
        input = problems.case_operand(problem, "input").astype(dtype)
        ours = backprop_filter(problem, input, out_backprop)
        if has_empty_rows_defect(problem):
            theirs, peer = np.zeros(problem.filter_sizes, dtype), "zeros, for TensorFlow's uninitialised ones"
        else:
            theirs = tfo.raw_backprop_filter(problem, input, out_backprop)
    assert_equal(ours, theirs, problem.name)

    # What the data file has written down, too: it shows that operands were filled as the file means it.
    checksum = problem.case["checksum"]
    exact = ours.astype(np.float64).ravel()
    assert (exact.size, exact.sum(), (exact**2).sum()) == (checksum["n"], checksum["sum"], checksum["sumsq"])
    assert all(exact[i] == value for i, value in checksum["samples"])
    tfo.compared[f"{peer}, {dtype.__name__}"] += 1


@each_dtype(RANDOM)
def test_random_problem(problem, dtype):
    """The raw gradient ops, tf.GradientTape through tf.nn.conv2d, and through tf.nn.conv2d_transpose."""
    input, filter, out_backprop = operands(problem, dtype)
    d_input = backprop_input(problem, filter, out_backprop)
    d_filter = backprop_filter(problem, input, out_backprop)
    output = convgrad.call("conv2d", problem.attrs(), input, filter, problem.output_sizes)
    transposed = convgrad.call("conv2d_transpose", problem.attrs(), out_backprop, filter, problem.input_sizes)

    assert_equal(d_input, tfo.raw_backprop_input(problem, filter, out_backprop), f"backprop_input of {problem!r}")
    assert_equal(d_filter, tfo.raw_backprop_filter(problem, input, out_backprop), f"backprop_filter of {problem!r}")

    y, dx, dw = tfo.conv2d_and_gradients(problem, input, filter, out_backprop)
    assert_equal(output, y, f"conv2d of {problem!r}")
    assert_equal(d_input, dx, f"tape's d_input of {problem!r}")
    assert_equal(d_filter, dw, f"tape's d_filter of {problem!r}")

    # The transpose is linear with the same weights, so its gradients are conv2d and the filter's gradient once more.
    x, d_out_backprop, dw = tfo.conv2d_transpose_and_gradients(problem, input, filter, out_backprop)
    assert_equal(transposed, x, f"conv2d_transpose of {problem!r}")
    assert_equal(output, d_out_backprop, f"tape's gradient of conv2d_transpose by its input, {problem!r}")
    assert_equal(d_filter, dw, f"tape's gradient of conv2d_transpose by its filter, {problem!r}")
    tfo.compared[f"{tfo.peer(problem)}, {dtype.__name__}"] += 1


@pytest.mark.parametrize("case", problems.tensorflow_error_cases(), ids=lambda case: f"{case.op}-{case.name}")
def test_error_case(case):
    """Accepted and refused by both, or accepted by convgrad where TensorFlow merely lacks a CPU kernel."""
    want_accept = case.case["want"] == "accept"
    shapes = {"input": case.input_sizes, "filter": case.filter_sizes, "out_backprop": case.output_sizes}
    first, result = ("filter", "input") if case.op == "backprop_input" else ("input", "filter")
    capacity = max([0] + [math.prod(shape) for shape in shapes.values() if min(shape) >= 0 and max(shape) < 1000])
    status, text, wrote = convgrad.verdict(
        "conv2d_" + case.op, case.attrs(), shapes[first], shapes["out_backprop"], shapes[result], capacity + 1
    )
    if want_accept:
        assert status == convgrad.OK, text
    else:
        assert status == convgrad.INVALID_ARGUMENT, text
        assert text, "a refusal without a text"
        assert not wrote, "a refused call has written"

    def theirs():
        out_backprop = np.ones(case.output_sizes, np.float32)
        if case.op == "backprop_input":
            return tfo.raw_backprop_input(case, np.ones(case.filter_sizes, np.float32), out_backprop)
        return tfo.raw_backprop_filter(case, np.ones(case.input_sizes, np.float32), out_backprop)

    if want_accept:
        assert theirs().shape == shapes[result]
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            theirs()
    tfo.compared["TensorFlow's verdict"] += 1


@pytest.mark.parametrize(
    "problem",
    [
        problems.make("nchw", (1, 5, 5, 2), (3, 3, 2, 3), (1, 1), (1, 1), "SAME", "NCHW"),
        problems.make("dilation", (1, 5, 5, 2), (3, 3, 2, 3), (1, 1), (2, 2), "SAME"),
        problems.make("groups", (1, 5, 5, 4), (3, 3, 2, 4), (1, 1), (1, 1), "SAME"),
    ],
    ids=str,
)
def test_cpu_kernels_refuse(problem):
    """XLA stands in for a reason: should TensorFlow's CPU kernels learn to do these, they are the better peer."""
    input, filter, out_backprop = (tf.constant(array) for array in operands(problem))
    attributes = tfo.raw_attributes(problem)
    with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)):
        tf.raw_ops.Conv2DBackpropInput(
            input_sizes=problem.input_sizes, filter=filter, out_backprop=out_backprop, **attributes)
    with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)):
        tf.raw_ops.Conv2DBackpropFilter(
            input=input, filter_sizes=problem.filter_sizes, out_backprop=out_backprop, **attributes)


def test_defect_filter_gradient_of_an_empty_out_backprop():
    """Rows or columns missing but a batch present: TensorFlow's CPU kernel returns uninitialised memory, so zeros."""
    for strides, input_sizes in (((2, 2), (2, 2, 6, 3)), ((2, 2), (2, 6, 2, 3)), ((3, 3), (1, 1, 1, 3))):
        problem = problems.make("empty", input_sizes, (4, 4, 3, 5), strides, (1, 1), "VALID")
        assert has_empty_rows_defect(problem), problem
        input, filter, out_backprop = operands(problem)
        zeros = np.zeros(problem.filter_sizes, np.float32)
        assert_equal(backprop_filter(problem, input, out_backprop), zeros, repr(problem))
        # Its input gradient is well defined.
        theirs = tfo.raw_backprop_input(problem, filter, out_backprop)
        assert_equal(backprop_input(problem, filter, out_backprop), theirs, repr(problem))
        tfo.compared["zeros, for TensorFlow's uninitialised ones"] += 1


def test_defect_dilation_of_a_billion():
    """XLA's filter gradient is wrong at dilation 2^30. Only the middle tap meets the image: a 1x1 filter is asked."""
    far = 2**30
    problem = problems.make("far", (2, 5, 4, 3), (3, 3, 3, 4), (1, 1), (far, far), "SAME")
    near = problems.make("near", (2, 5, 4, 3), (1, 1, 3, 4), (1, 1), (1, 1), "SAME")
    assert problem.output_sizes == near.output_sizes
    input, filter, out_backprop = operands(problem)
    middle = np.ascontiguousarray(filter[1:2, 1:2])

    theirs = np.zeros(problem.filter_sizes, np.float32)
    theirs[1:2, 1:2] = tfo.raw_backprop_filter(near, input, out_backprop)
    assert_equal(backprop_filter(problem, input, out_backprop), theirs, "backprop_filter at dilation 2^30")
    theirs = tfo.raw_backprop_input(near, middle, out_backprop)
    assert_equal(backprop_input(problem, filter, out_backprop), theirs, "backprop_input at dilation 2^30")
    tfo.compared["a 1x1 filter, for XLA's dilation of 2^30"] += 1


def test_enough_problems():
    assert len(CASES) == 257
    assert len(CASES) + len(RANDOM) >= 300
    assert len(CASES[::2]) + len(RANDOM[::2]) >= 150  # float64
