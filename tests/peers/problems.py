"""Problems for the comparison: those of TensorFlow's own tests, and random ones."""

import json
import pathlib
import random
from dataclasses import dataclass, field

import convgrad_ctypes as convgrad
import numpy as np

DATA = pathlib.Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True)
class Problem:
    name: str
    data_format: str
    input_sizes: tuple  # in data_format's order, as output_sizes
    filter_sizes: tuple  # HWIO
    output_sizes: tuple
    strides: tuple
    dilations: tuple
    padding: object  # "VALID", "SAME" or (top, bottom, left, right)
    op: str = "both"
    case: dict = field(default=None, compare=False, repr=False)  # the JSON entry it came from

    def attrs(self):
        return convgrad.attrs(self.strides, self.dilations, self.padding, self.data_format)

    def groups(self):
        in_channels = self.input_sizes[1 if self.data_format == "NCHW" else 3]
        return in_channels // self.filter_sizes[2] if self.filter_sizes[2] > 0 else 1  # 0 is an error case's

    def __str__(self):
        return self.name


def _padding(value):
    return value if isinstance(value, str) else (*value[1], *value[2])  # JSON has all four dimensions, NHWC


def _from_case(case):
    return Problem(
        name=case["name"],
        op=case["op"],
        case=case,
        padding=_padding(case["padding"]),
        **{key: tuple(case[key]) for key in ("input_sizes", "filter_sizes", "output_sizes", "strides", "dilations")},
        data_format=case["data_format"],
    )


def tensorflow_cases():
    return [_from_case(case) for case in json.loads((DATA / "tensorflow_cases.json").read_text())["cases"]]


def tensorflow_error_cases():
    return [_from_case(case) for case in json.loads((DATA / "tensorflow_error_cases.json").read_text())["cases"]]


def make(name, input_nhwc, filter_sizes, strides, dilations, padding, data_format="NHWC"):
    """A problem whose output sizes are the library's answer; TensorFlow refuses it if that is not its own."""
    sizes = tuple(input_nhwc)
    if data_format == "NCHW":
        sizes = (sizes[0], sizes[3], sizes[1], sizes[2])
    attributes = convgrad.attrs(strides, dilations, padding, data_format)
    output = convgrad.output_shape(attributes, sizes, filter_sizes)
    return Problem(name, data_format, sizes, tuple(filter_sizes), output, tuple(strides), tuple(dilations), padding)


def random_problems(count, seed, for_cpu_kernels):
    """for_cpu_kernels: only what TensorFlow's CPU kernels take; else at least one of NCHW, dilations and groups."""
    source = random.Random(seed)
    problems = []
    while len(problems) < count:
        data_format, dilations, groups = "NHWC", (1, 1), 1
        if not for_cpu_kernels:
            data_format = source.choice(("NHWC", "NCHW"))
            dilations = (source.randint(1, 3), source.randint(1, 3))
            groups = source.choice((1, 1, 2, 3))
            if (data_format, dilations, groups) == ("NHWC", (1, 1), 1):
                continue
        filter_sizes = (
            source.choice((1, 2, 3, 3, 4, 5)),
            source.choice((1, 2, 3, 3, 4, 5)),
            source.choice((1, 2, 3, 4, 7, 8, 16, 17, 33)),
            groups * source.choice((1, 2, 3, 5, 8, 16, 17, 24)),
        )
        sizes = (source.randint(1, 3), source.randint(1, 17), source.randint(1, 17), filter_sizes[2] * groups)
        strides = (source.choice((1, 1, 2, 3)), source.choice((1, 1, 2, 3)))
        padding = source.choice(("VALID", "SAME", "EXPLICIT"))
        if padding == "EXPLICIT":
            # TensorFlow refuses padding that is as large as the filter; this library's own tests try it.
            extents = [(filter_sizes[i] - 1) * dilations[i] + 1 for i in (0, 0, 1, 1)]
            padding = tuple(source.randint(0, extent - 1) for extent in extents)
        name = f"seed{seed}_{len(problems)}"
        try:
            problem = make(name, sizes, filter_sizes, strides, dilations, padding, data_format)
        except convgrad.Error as error:
            assert error.status == convgrad.INVALID_ARGUMENT, error
            continue  # the filter is bigger than the padded input
        if 0 in problem.output_sizes:
            continue  # test_known_defects and TensorFlow's own cases have these
        problems.append(problem)
    return problems


def integers(shape, seed):
    """Small integers, so that float32 sums are exact in any order."""
    return np.random.default_rng(seed).integers(-4, 5, size=shape).astype(np.float32)


def _fill(rule, count):
    if rule["kind"] == "ramp1":
        return np.arange(1, count + 1)
    if rule["kind"] == "ones":
        return np.ones(count)
    if rule["kind"] == "values":
        return np.asarray(rule["values"])
    assert rule["kind"] == "hash_ints" and rule["mod"] == 9, rule
    u = np.arange(count, dtype=np.uint64) * 2654435761 + rule["seed"] * 0x9E3779B9
    u &= 0xFFFFFFFF
    u ^= u >> 16
    u = u * 0x85EBCA6B & 0xFFFFFFFF
    u ^= u >> 13
    u = u * 0xC2B2AE35 & 0xFFFFFFFF
    u ^= u >> 16
    return (u % 9).astype(np.int64) - 4


def case_operand(problem, operand):
    """An operand of a problem of TensorFlow's tests; images are filled in NHWC order whatever the format."""
    shape = {
        "input": problem.input_sizes,
        "filter": problem.filter_sizes,
        "out_backprop": problem.output_sizes,
    }[operand]
    nchw = operand != "filter" and problem.data_format == "NCHW"
    logical = (shape[0], shape[2], shape[3], shape[1]) if nchw else shape
    values = _fill(problem.case["data"][operand], int(np.prod(shape))).astype(np.float32).reshape(logical)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if nchw else values
