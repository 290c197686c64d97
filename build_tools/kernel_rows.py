#!/usr/bin/env python3
"""Turns the rows of schedules/<target>/*.json into the build: which kernels to compile, and the runtime's tables.

Writes into --output: kernels.cmake (one entry a kernel: generator, Halide target, parameters), and for the runtime
targets.inc, hardware.inc, kernels_<op>.inc, rows_<op>.inc and scratch_<op>.inc. A file that would not change is left
alone, so that nothing is rebuilt for it. Every mistake in a row is an error that names the file, the row and the key.
"""

import argparse
import json
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FAMILY_OF_OP = {"conv2d": "image", "conv2d_backprop_input": "image", "conv2d_backprop_filter": "filter"}
FAMILIES = ("image", "filter", "winograd_image", "winograd_filter")  # of schedule_params.inc
DTYPES = {"f32": "FLOAT32"}
DTYPE_BYTES = {"f32": 4}
DEVICES = {"cpu": "CPU", "cuda": "CUDA", "opencl": "OPENCL"}
# strict: keeps the error bound of direct summation. fixed: for one filter size and stride, channels side by side.
ALGORITHMS = {
    "generic": {"strict": True, "fixed": False},
    "direct": {"strict": True, "fixed": True},
    "winograd_4x4": {"strict": False, "fixed": True, "accepts": ((3, 3), (1, 1)), "devices": ("cpu",), "generator": "_winograd",
                     "family": "winograd_"},
}
WHEN_KEYS = {
    f"{bound}_{size}"
    for bound in ("min", "max")
    for size in ("batch", "in_height", "in_width", "in_channels", "out_height", "out_width", "out_channels", "groups")
} | {"multiple_batch", "multiple_in_channels", "multiple_out_channels"}
ROW_KEYS = {"op", "dtype", "algorithm", "variant", "accepts", "params", "when", "comment", "provenance"}
GPU_MAX_BLOCK = 32
UNCUT = 1 << 30  # more channels than any tensor has
# user_context: threads and scratch are the call's own. no_bounds_query: nobody asks, and it halves the checks.
KERNEL_FEATURES = "no_runtime-user_context-no_bounds_query"


class RowError(Exception):
    pass


def schedule_params():
    """{family: {name: (default, least, most)}} from schedules/schedule_params.inc."""
    text = (ROOT / "schedules/schedule_params.inc").read_text()
    params = {family: {} for family in FAMILIES}
    pattern = rf'^CONVGRAD_({"|".join(FAMILIES).upper()})_PARAM\((\w+), (\d+), (\d+), (\d+), "'
    for family, name, default, least, most in re.findall(pattern, text, re.M):
        params[family.lower()][name] = (int(default), int(least), int(most))
    return params


def schedule_expressions(kind):
    """{family: [(expression, meaning)]} of a kind, RULE or LIMIT, from schedules/schedule_params.inc."""
    text = (ROOT / "schedules/schedule_params.inc").read_text()
    expressions = {family: [] for family in FAMILIES}
    pattern = rf'^CONVGRAD_({"|".join(FAMILIES).upper()})_{kind}\((.*), "([^"]*)"\)$'
    for family, expression, meaning in re.findall(pattern, text, re.M):
        expressions[family.lower()].append((expression, meaning))
    return expressions


def holds(expression, numbers):
    """Whether a rule or limit holds for these numbers, by their names."""
    return eval(expression, {"__builtins__": {}, "min": min, "max": max}, numbers)  # ours: schedule_params.inc


RULES = schedule_expressions("RULE")


def expect(condition, where, message):
    if not condition:
        raise RowError(f"{where}: {message}")


def read_json(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RowError(f"{path}: no such file")
    except json.JSONDecodeError as error:
        raise RowError(f"{path}: {error}")


def two(text, where, key):
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    expect(match, where, f"{key} is {text!r}, expected <height>x<width>, such as 3x3")
    return int(match[1]), int(match[2])


class Target:
    def __init__(self, name, folders, processor, os_name):
        self.name = name
        candidates = [folder / name for folder in folders if (folder / name / "target.json").exists()]
        known = sorted(p.parent.name for folder in folders for p in folder.glob("*/target.json"))
        expect(candidates, "targets", f"no target {name!r}; there are {', '.join(known)}")
        self.folder = candidates[0]
        data = read_json(self.folder / "target.json")
        where = self.folder / "target.json"
        missing = {"halide_target", "features", "priority", "vector_bytes"} - data.keys()
        expect(not missing, where, f"missing {', '.join(sorted(missing))}")
        self.halide_target = data["halide_target"].replace("{os}", os_name).replace("{host}", f"{processor}-{os_name}")
        expect(self.halide_target.startswith(processor + "-"), where,
               f"target {name} is for {self.halide_target}, but the library is built for {processor}")
        self.device = data.get("device", "cpu")
        expect(self.device in DEVICES, where, f"device is {self.device!r}, expected one of {', '.join(DEVICES)}")
        # What a GPU must have, and the registers that its driver may give a thread: 255 is the most that CUDA has.
        capability = re.search(r"cuda_capability_(\d+)", self.halide_target)
        self.capability = int(capability[1]) if capability else 0
        self.max_registers = data.get("max_registers", 255)
        self.features = data["features"]
        expect(self.device == "cpu" or not self.features, where, "features are a CPU's; a GPU's driver knows what it can run")
        self.priority = data["priority"]
        self.vector_bytes = data["vector_bytes"]
        self.registers = data.get("registers", 0)  # how many vectors they hold, for the tuner
        rows_of = data.get("rows_of", name)
        self.rows_folder = self.folder if rows_of == name else Target(rows_of, folders, processor, os_name).rows_folder

    def row_files(self, hardware):
        """Tuned hardware first, the target's defaults last."""
        tuned = [self.rows_folder / f"{name}.json" for name in hardware]
        return [path for path in tuned if path.exists()] + [self.rows_folder / "default.json"]


class Kernel:
    """One unique set of parameters: one run of the generator, one object, one symbol."""

    def __init__(self, op, row, target, where, known_params):
        self.op, self.target = op, target
        self.dtype = row["dtype"]
        self.algorithm = row["algorithm"]
        expect(self.dtype in DTYPES, where, f"dtype is {self.dtype!r}, expected one of {', '.join(DTYPES)}")
        expect(self.algorithm in ALGORITHMS, where,
               f"algorithm is {self.algorithm!r}, expected one of {', '.join(ALGORITHMS)}")
        algorithm = ALGORITHMS[self.algorithm]
        self.strict = algorithm["strict"]
        self.family = algorithm.get("family", "") + FAMILY_OF_OP[op]
        self.generator = op + algorithm.get("generator", "")
        accepts = dict(row.get("accepts", {}))
        self.filter = two(accepts.pop("filter"), where, "accepts.filter") if "filter" in accepts else (0, 0)
        self.stride = two(accepts.pop("stride"), where, "accepts.stride") if "stride" in accepts else (0, 0)
        expect(not accepts, where, f"unknown key accepts.{next(iter(accepts), '')}")
        fixed = min(self.filter + self.stride) > 0
        expect(fixed == algorithm["fixed"], where,
               f"a kernel of algorithm {self.algorithm} fixes {'' if algorithm['fixed'] else 'neither '}accepts.filter "
               f"{'and' if algorithm['fixed'] else 'nor'} accepts.stride")
        expect((self.filter, self.stride) == algorithm.get("accepts", (self.filter, self.stride)), where,
               f"algorithm {self.algorithm} takes filter 3x3 with stride 1x1 only")
        expect(target.device in algorithm.get("devices", DEVICES), where,
               f"algorithm {self.algorithm} has no schedule for {target.device}")
        self.channels_last = algorithm["fixed"]
        self.params = self.checked_params(row.get("params", {}), self.family, where, known_params)
        on_cpu_direct = target.device == "cpu" and self.algorithm == "direct"
        for name in ("one_panel", "in_place", "input_in_place", "along_input", "prefetch"):
            expect(not self.params.get(name) or on_cpu_direct, where, f"params.{name} is for direct kernels on a CPU")
        taps = self.params.get("tile_taps", 1)
        expect(taps == 1 or (on_cpu_direct and self.filter[1] % taps == 0), where,
               f"params.tile_taps is {taps}, expected a divisor of the filter's width, of direct kernels on a CPU")
        images = self.params.get("tile_images", 1)
        expect(images == 1 or on_cpu_direct, where,
               f"params.tile_images is {images}, expected 1 but for direct kernels on a CPU")
        expect(not self.params.get("input_in_place") or self.filter == (1, 1), where,
               "params.input_in_place is for filters of 1x1, since larger ones may meet padding")
        expect(not self.params.get("along_input") or self.filter == (1, 1), where,
               "params.along_input is for filters of 1x1: a panel under more taps is no strip of vectors")
        for name in ("along_reduction", "along_width"):
            expect(not self.params.get(name) or op == "conv2d_backprop_input", where,
                   f"params.{name} is for conv2d_backprop_input")
        if self.params.get("along_width"):
            self.generator += "_along_width"
        self.lanes = target.vector_bytes // DTYPE_BYTES[self.dtype]
        if target.device != "cpu":
            self.check_gpu_params(FAMILY_OF_OP[op], where)
        self.name = "_".join(filter(None, [op, self.dtype, target.name, self.algorithm, self.shape(), self.tile(),
                                           row.get("variant")]))

    @staticmethod
    def checked_params(given, family, where, known_params):
        known = known_params[family]
        for name, value in given.items():
            expect(name in known, where, f"params.{name} is not a parameter of family {family}: {', '.join(known)}")
            _, least, most = known[name]
            expect(isinstance(value, int) and least <= value <= most, where,
                   f"params.{name} is {value!r}, expected an integer from {least} to {most}")
        params = {name: given.get(name, default) for name, (default, _, _) in known.items()}
        for expression, meaning in RULES[family]:
            used = {name: value for name, value in params.items() if re.search(rf"\b{name}\b", expression)}
            expect(holds(expression, params), where,
                   f"params break a rule, {meaning}: {', '.join(f'{name} is {value}' for name, value in used.items())}")
        return params

    def check_gpu_params(self, family, where):
        name = {"image": "block_reduction", "filter": "tile_channels"}[family]
        expect(self.params[name] % self.lanes == 0, where,
               f"params.{name} is {self.params[name]}, expected a multiple of {self.lanes} on a GPU")
        # A GPU's positions are rounded up to whole blocks; the runtime allows for kMaxTile (runtime/normalize.h) of them
        # before they are multiplied by a stride.
        for name in ("block_width", "block_height"):
            expect(self.params[name] <= GPU_MAX_BLOCK or self.stride == (1, 1), where,
                   f"params.{name} is {self.params[name]}, expected at most {GPU_MAX_BLOCK} on a GPU where a stride is not 1")

    def shape(self):
        if not min(self.filter):
            return "any"
        square = len(set(self.stride)) == 1
        return f"{self.filter[0]}x{self.filter[1]}s" + (f"{self.stride[0]}" if square else "x".join(map(str, self.stride)))

    def tile(self):
        along_width = self.params.get("along_width")
        vectors = self.params["tile_vectors"] * (1 if along_width or self.params.get("along_reduction") else self.lanes)
        if self.family == "winograd_image":
            return f"t{self.params['tile_rows']}{'k' if self.op == 'conv2d' else 'c'}{vectors}"
        if FAMILY_OF_OP[self.op] == "filter":
            in_channels, out_channels = self.by_tensor(self.params["tile_channels"], vectors)
            taps = self.params.get("tile_taps", 1)
            return f"c{in_channels}k{out_channels}" + (f"s{taps}" if taps > 1 else "")
        channel = "k" if self.op == "conv2d" else "c"
        width = self.params["tile_width"] * (self.lanes if along_width else 1)
        images = self.params["tile_images"]
        return (f"n{images}" if images > 1 else "") + f"h{self.params['tile_height']}w{width}{channel}{vectors}"

    def max_reduction(self):
        """The most channels that the kernel sums over; 0: any number."""
        return self.params["block_reduction"] if self.params.get("one_panel") else 0

    def cuts(self):
        """A CPU's task and what slices of a result are whole multiples of, for runtime/slices.cpp: as Kernel::block
        and Kernel::grain have them."""
        params, lanes = self.params, self.lanes
        if self.target.device != "cpu" or (FAMILY_OF_OP[self.op] == "filter" and not self.channels_last):
            return (0,) * 7
        vectors, block_vectors = params["tile_vectors"] * lanes, params["block_vectors"] * lanes
        if self.family == "winograd_filter":
            # Transforms of a vector that channels do not fill may round otherwise, and vectors begin where a block does.
            block = params["block_channels"]
            grain = math.lcm(params["tile_channels"], lanes) if block % lanes == 0 else UNCUT
            return block, block_vectors, 0, 0, grain, vectors, 0
        if self.family == "filter":
            return (*self.by_tensor(params["block_channels"], block_vectors), 0, 0,
                    *self.by_tensor(params["tile_channels"], vectors), 0)
        if self.family == "winograd_image":
            return block_vectors, params["block_tiles"], 0, 0, vectors, 0, 1
        block_width, width = params["block_width"], params["tile_width"]
        if params["along_width"]:
            block_width, width = block_width * lanes, width * lanes
        if params["along_width"] or params["along_reduction"]:
            vectors, block_vectors = params["tile_vectors"], params["block_vectors"]
        return block_vectors, block_width, params["block_height"], params["block_images"], vectors, width, params["tile_images"]

    def by_tensor(self, single, of_vectors):
        """Numbers of a filter gradient's channels, those of single values and those of vectors, as input's and output's."""
        return (of_vectors, single) if self.params.get("along_input") else (single, of_vectors)

    def input_in_place(self):
        """1: the input is read where it is, which leaves no room for padding."""
        return self.params.get("input_in_place", 0)

    def joins_phases(self):
        """1: a strided backprop_input has one result, in place of one for each phase."""
        return self.params.get("along_width", 0)

    def filter_tile(self):
        """Channels of the result in a tile of the filter that a kernel packs whole; else 0."""
        whole = self.params.get("one_panel") and not self.params["along_reduction"] and not self.params["along_width"]
        return self.params["tile_vectors"] * self.lanes if whole else 0

    def facts(self):
        """What the runtime goes by, beside names: in the order of CONVGRAD_KERNEL and of convgrad_measure."""
        return (int(self.strict), *self.filter, *self.stride, int(self.channels_last), self.max_reduction(), self.filter_tile(),
                *self.cuts(), self.input_in_place(), self.joins_phases())

    def halide_target(self):
        return f"{self.target.halide_target}-{KERNEL_FEATURES}"

    def definition(self):
        return (self.algorithm, self.filter, self.stride, tuple(self.params.items()))

    def generator_params(self):
        fixed = {"algorithm": self.algorithm, "filter_height": self.filter[0], "filter_width": self.filter[1],
                 "stride_height": self.stride[0], "stride_width": self.stride[1],
                 "vector_bytes": self.target.vector_bytes, "kernel_name": self.name}
        return [f"{key}={value}" for key, value in {**fixed, **self.params}.items()]


def cpus_of(hardware, where):
    """[(vendor, family, model)] of a tuned file's "hardware", whose model may be a list: of the same CPU under a hypervisor that
    tells another, for example."""
    expect({"vendor", "family", "model"} <= hardware.keys(), where,
           "hardware needs vendor, family and model, as runtime/hardware.h tells them")
    models = hardware["model"] if isinstance(hardware["model"], list) else [hardware["model"]]
    expect(models and all(isinstance(model, int) for model in models), where,
           f"hardware.model is {hardware['model']!r}, expected an integer or a list of integers")
    return [(hardware["vendor"], hardware["family"], model) for model in models]


class Tables:
    def __init__(self):
        self.kernels = {}  # name -> Kernel, in order of first mention
        self.rows = []  # (op, Kernel, hardware, when)
        self.hardware = {}  # name -> its CPUs

    def add_file(self, path, target, known_params, kernel_filter):
        data = read_json(path)
        hardware = "any"
        if path.name != "default.json":
            hardware = path.stem
            cpus = cpus_of(data.get("hardware", {}), path)
            expect(self.hardware.setdefault(hardware, cpus) == cpus, path,
                   f"hardware is {cpus}, but another target's file of that name says {self.hardware[hardware]}")
        for index, row in enumerate(data.get("rows", [])):
            where = f"{path}, row {index}"
            unknown = row.keys() - ROW_KEYS
            expect(not unknown, where, f"unknown key {', '.join(sorted(unknown))}; known are {', '.join(sorted(ROW_KEYS))}")
            expect({"op", "dtype", "algorithm"} <= row.keys(), where, "op, dtype and algorithm are needed")
            when = row.get("when", {})
            unknown = when.keys() - WHEN_KEYS
            expect(not unknown, where, f"unknown key when.{', '.join(sorted(unknown))}; known are {', '.join(sorted(WHEN_KEYS))}")
            for key, value in when.items():
                expect(isinstance(value, int) and value > 0, where, f"when.{key} is {value!r}, expected an integer above 0")
            for op in [row["op"]] if isinstance(row["op"], str) else row["op"]:
                expect(op in FAMILY_OF_OP, where, f"op is {op!r}, expected one of {', '.join(FAMILY_OF_OP)}")
                kernel = Kernel(op, row, target, where, known_params)
                # A quick build leaves kernels out, but never the generic one: every valid problem needs a kernel.
                if kernel.algorithm != "generic" and not re.search(kernel_filter, kernel.name):
                    continue
                same = self.kernels.setdefault(kernel.name, kernel)
                expect(same.definition() == kernel.definition(), where,
                       f"two kernels are called {kernel.name} but differ; tell them apart by \"variant\"")
                self.rows.append((op, same, hardware, when))

    def check_complete(self, targets):
        for target in targets:
            for op in FAMILY_OF_OP:
                last = [row for row in self.rows if row[0] == op and row[1].target is target][-1:]
                expect(last and last[0][1].algorithm == "generic" and not last[0][3], target.folder,
                       f"the last row of {op} must accept everything: a generic kernel without \"when\"")


def write_if_changed(path, lines):
    text = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def write_tables(tables, targets, output):
    output.mkdir(parents=True, exist_ok=True)
    write_if_changed(output / "targets.inc", [
        f"CONVGRAD_TARGET({t.name}, {t.priority}, {' | '.join('FEATURE_' + f.upper() for f in t.features) or '0'}, "
        f"{DEVICES[t.device]}, {t.capability}, {t.max_registers})"
        for t in sorted(targets, key=lambda t: -t.priority)])
    write_if_changed(output / "hardware.inc", [
        f'CONVGRAD_HARDWARE({name}, "{vendor}", {family}, {model})'
        for name, cpus in tables.hardware.items() for vendor, family, model in cpus])
    for op in FAMILY_OF_OP:
        kernels = [k for k in tables.kernels.values() if k.op == op]
        write_if_changed(output / f"kernels_{op}.inc", [
            f"CONVGRAD_KERNEL({k.name}, {DTYPES[k.dtype]}, {k.target.name}, {k.algorithm}, "
            f"{', '.join(map(str, k.facts()))})" for k in kernels])
        write_if_changed(output / f"scratch_{op}.inc", [f'#include "{k.name}.scratch.inc"' for k in kernels])
        rows = sorted((r for r in tables.rows if r[0] == op), key=lambda r: -r[1].target.priority)
        write_if_changed(output / f"rows_{op}.inc", [
            f"CONVGRAD_ROW({k.name}, {hardware}, "
            + " ".join(f"CONVGRAD_WHEN({key}, {value})" for key, value in when.items()) + ")"
            for _, k, hardware, when in rows])
    lines = [f"set(CONVGRAD_KERNELS {' '.join(tables.kernels)})",
             f"set(CONVGRAD_DEVICES {' '.join(sorted({DEVICES[t.device] for t in targets}))})"]
    for k in tables.kernels.values():
        lines += [f"set({k.name}_GENERATOR {k.generator})", f"set({k.name}_HALIDE_TARGET {k.halide_target()})",
                  f"set({k.name}_PARAMS {' '.join(k.generator_params())})"]
    files = sorted({str(p) for t in targets for p in [t.folder / "target.json", *t.rows_folder.glob("*.json")]})
    lines.append("set(CONVGRAD_ROW_FILES " + " ".join(f'"{f}"' for f in files) + ")")
    write_if_changed(output / "kernels.cmake", lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", required=True, metavar="NAME", help="a target; may be given again")
    parser.add_argument("--target-folder", action="append", type=pathlib.Path, default=[ROOT / "schedules"],
                        metavar="DIR", help="one more folder that holds <target>/target.json")
    parser.add_argument("--hardware", action="append", default=[], metavar="NAME",
                        help="add the rows of <target>/NAME.json; may be given again")
    parser.add_argument("--filter", default="", metavar="REGEX",
                        help="keep only kernels whose name matches; generic ones always stay")
    parser.add_argument("--processor", default="x86-64", help="the library's processor, as Halide's target strings name it")
    parser.add_argument("--os", default="linux", help="the operating system in Halide's target strings")
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    try:
        known_params = schedule_params()
        targets = [Target(name, arguments.target_folder, arguments.processor, arguments.os) for name in arguments.target]
        tables = Tables()
        for name in arguments.hardware:
            expect(any((target.rows_folder / f"{name}.json").exists() for target in targets), "hardware",
                   f"none of the targets has a file {name}.json")
        for target in targets:
            for path in target.row_files(arguments.hardware):
                tables.add_file(path, target, known_params, arguments.filter)
        tables.check_complete(targets)
        write_tables(tables, targets, arguments.output)
    except RowError as error:
        sys.exit(f"kernel_rows: {error}")


if __name__ == "__main__":
    main()
