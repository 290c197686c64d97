#!/usr/bin/env python3
"""Turns the rows of schedules/<target>/*.json into the build: which kernels to compile, and the runtime's tables.

Writes into --output: kernels.cmake (one entry a kernel: generator, Halide target, parameters), and for the runtime
targets.inc, hardware.inc, kernels_<op>.inc, rows_<op>.inc and scratch_<op>.inc. A file that would not change is left
alone, so that nothing is rebuilt for it. Every mistake in a row is an error that names the file, the row and the key.
"""

import argparse
import itertools
import json
import pathlib
import re
import sys

import declarations
from declarations import DTYPES, OPS, WHEN_KEYS, value_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVICES = {"cpu": "CPU", "cuda": "CUDA", "opencl": "OPENCL"}
ROW_KEYS = {"op", "dtype", "algorithm", "variant", "accepts", "params", "when", "comment", "provenance"}
# user_context: threads and scratch are the call's own. no_bounds_query: nobody asks, and it halves the checks.
KERNEL_FEATURES = "no_runtime-user_context-no_bounds_query"


class RowError(Exception):
    pass


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


def listed(value):
    """A row is for one op and element type, or for each of a list."""
    return [value] if isinstance(value, str) else value


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

    def __init__(self, op, row, target, where):
        self.op, self.target = op, target
        self.dtype, self.algorithm = row["dtype"], row["algorithm"]
        expect(self.algorithm in declarations.ALGORITHMS, where,
               f"algorithm is {self.algorithm!r}, expected one of {', '.join(declarations.ALGORITHMS)}")
        self.family = declarations.family_of(self.algorithm, op, target.device)
        expect(self.family, where, f"algorithm {self.algorithm} of {op} has no schedule for {target.device}")
        expect(self.dtype in self.family.dtypes, where,
               f"dtype is {self.dtype!r}, algorithm {self.algorithm} of {op} is for {', '.join(self.family.dtypes)}")
        self.strict = self.family.strict
        self.generator = f"{op}_{self.family.name}"
        accepts = dict(row.get("accepts", {}))
        self.filter = two(accepts.pop("filter"), where, "accepts.filter") if "filter" in accepts else (0, 0)
        self.stride = two(accepts.pop("stride"), where, "accepts.stride") if "stride" in accepts else (0, 0)
        expect(not accepts, where, f"unknown key accepts.{next(iter(accepts), '')}")
        expect((min(self.filter + self.stride) > 0) == self.family.fixed, where,
               f"a kernel of algorithm {self.algorithm} fixes {'' if self.family.fixed else 'neither '}accepts.filter "
               f"{'and' if self.family.fixed else 'nor'} accepts.stride")
        self.lanes = target.vector_bytes // DTYPES[self.dtype].bytes
        self.params = self.checked_params(row.get("params", {}), where)
        self.name = "_".join(filter(None, [op, self.dtype, target.name, self.algorithm, self.shape(), self.tile(),
                                           row.get("variant")]))

    def checked_params(self, given, where):
        known = self.family.params
        for name, value in given.items():
            expect(name in known, where,
                   f"params.{name} is not a parameter of algorithm {self.algorithm} of {self.op}: {', '.join(known)}")
            least, most = known[name].least, known[name].most
            expect(isinstance(value, int) and least <= value <= most, where,
                   f"params.{name} is {value!r}, expected an integer from {least} to {most}")
        params = {name: given.get(name, param.preset) for name, param in known.items()}
        names = self.names(params)
        for rule in self.family.rules:
            used = {name: value for name, value in names.items()
                    if name not in self.family.constants and re.search(rf"\b{name}\b", rule.expression)}
            expect(value_of(rule.expression, names), where,
                   f"params break a rule, {rule.meaning}: {', '.join(f'{name} is {value}' for name, value in used.items())}")
        return params

    def names(self, params):
        return self.family.names(params, self.filter, self.stride, self.lanes, self.dtype)

    def shape(self):
        if not min(self.filter):
            return "any"
        square = len(set(self.stride)) == 1
        return f"{self.filter[0]}x{self.filter[1]}s" + (f"{self.stride[0]}" if square else "x".join(map(str, self.stride)))

    def tile(self):
        names, text = self.names(self.params), ""
        for tile in self.family.tiles:
            value = value_of(tile.expression, names)
            if value != tile.unsaid:
                text += f"{OPS[self.op].channel if tile.letter == 'result' else tile.letter}{value}"
        return text

    def facts(self):
        """{name: value} of all facts of runtime/kernel_facts.inc."""
        names = self.names(self.params)
        own = {"filter[HEIGHT]": self.filter[0], "filter[WIDTH]": self.filter[1], "stride[HEIGHT]": self.stride[0],
               "stride[WIDTH]": self.stride[1], "fixed": int(self.family.fixed), "strict": int(self.strict)}
        declared = {name: value_of(expression, names) for name, expression in self.family.facts.items()}
        return {**dict.fromkeys(declarations.FACTS, 0), **own, **declared}

    def halide_target(self):
        # OpenCL's doubles are an extension, which a kernel's source has to name.
        doubles = "-cl_doubles" if self.dtype == "f64" and self.target.device == "opencl" else ""
        return f"{self.target.halide_target}{doubles}-{KERNEL_FEATURES}"

    def definition(self):
        return (self.algorithm, self.filter, self.stride, tuple(self.params.items()))

    def generator_params(self):
        fixed = {"dtype": self.dtype, "filter_height": self.filter[0], "filter_width": self.filter[1],
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

    def add_file(self, path, target, kernel_filter, dtypes):
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
            for op, dtype in itertools.product(listed(row["op"]), listed(row["dtype"])):
                expect(op in OPS, where, f"op is {op!r}, expected one of {', '.join(OPS)}")
                expect(dtype in DTYPES, where, f"dtype is {dtype!r}, expected one of {', '.join(DTYPES)}")
                if dtype not in dtypes:
                    continue
                kernel = Kernel(op, {**row, "dtype": dtype}, target, where)
                # A quick build leaves kernels out, but never the generic one: every valid problem needs a kernel.
                if kernel.family.fixed and not re.search(kernel_filter, kernel.name):
                    continue
                same = self.kernels.setdefault(kernel.name, kernel)
                expect(same.definition() == kernel.definition(), where,
                       f"two kernels are called {kernel.name} but differ; tell them apart by \"variant\"")
                self.rows.append((op, same, hardware, when))

    def check_complete(self, targets):
        """Of each op and element type that a target has rows of, the last has to accept everything."""
        for target in targets:
            for op in OPS:
                of_op = [row for row in self.rows if row[0] == op and row[1].target is target]
                for dtype in {row[1].dtype for row in of_op}:
                    _, kernel, _, when = [row for row in of_op if row[1].dtype == dtype][-1]
                    expect(not kernel.family.fixed and not when, target.folder,
                           f"the last row of {op} of {dtype} must accept everything: a generic kernel without \"when\"")


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
    for op in OPS:
        kernels = [k for k in tables.kernels.values() if k.op == op]
        write_if_changed(output / f"kernels_{op}.inc", [
            f"CONVGRAD_KERNEL({k.name}, {DTYPES[k.dtype].constant}, {k.target.name}, {k.algorithm}, "
            + " ".join(f"CONVGRAD_FACT({name}, {value})" for name, value in k.facts().items() if value) + ")" for k in kernels])
        write_if_changed(output / f"scratch_{op}.inc", [f'#include "{k.name}.scratch.inc"' for k in kernels])
        rows = sorted((r for r in tables.rows if r[0] == op), key=lambda r: -r[1].target.priority)
        write_if_changed(output / f"rows_{op}.inc", [
            f"CONVGRAD_ROW({k.name}, {hardware}, "
            + " ".join(f"CONVGRAD_WHEN({key.replace('_', ', ', 1)}, {value})" for key, value in when.items()) + ")"
            for _, k, hardware, when in rows])
    lines = [f"set(CONVGRAD_KERNELS {' '.join(tables.kernels)})",
             f"set(CONVGRAD_DEVICES {' '.join(sorted({DEVICES[t.device] for t in targets}))})"]
    for k in tables.kernels.values():
        lines += [f"set({k.name}_GENERATOR {k.generator})", f"set({k.name}_FAMILY {k.family.name})", f"set({k.name}_HALIDE_TARGET {k.halide_target()})",
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
    parser.add_argument("--dtype", action="append", choices=DTYPES, help="rows of this element type only; may be given again")
    parser.add_argument("--filter", default="", metavar="REGEX",
                        help="keep only kernels whose name matches; generic ones always stay")
    parser.add_argument("--processor", default="x86-64", help="the library's processor, as Halide's target strings name it")
    parser.add_argument("--os", default="linux", help="the operating system in Halide's target strings")
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    try:
        targets = [Target(name, arguments.target_folder, arguments.processor, arguments.os) for name in arguments.target]
        tables = Tables()
        for name in arguments.hardware:
            expect(any((target.rows_folder / f"{name}.json").exists() for target in targets), "hardware",
                   f"none of the targets has a file {name}.json")
        for target in targets:
            for path in target.row_files(arguments.hardware):
                tables.add_file(path, target, arguments.filter, arguments.dtype or tuple(DTYPES))
        tables.check_complete(targets)
        write_tables(tables, targets, arguments.output)
    except RowError as error:
        sys.exit(f"kernel_rows: {error}")


if __name__ == "__main__":
    main()
