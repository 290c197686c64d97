"""What build_tools/generate does once its tools are there: from problem files to packages."""

import argparse
import collections
import json
import pathlib
import platform
import re
import shutil
import sys

import declarations
import kernel_rows
import problems as problem_files
from ask_convgrad import PROCESSORS, Probes, ToolError, expect, run, some_of, target_names

ROOT = pathlib.Path(__file__).resolve().parent.parent
OPS = tuple(declarations.OPS)
MANIFEST = "share/convgrad/manifest.json"
Choice = collections.namedtuple("Choice", "problem op target hardware before kernel")


def arguments():
    parser = argparse.ArgumentParser(prog="build_tools/generate")
    parser.add_argument("--problems", action="append", required=True, type=pathlib.Path)
    parser.add_argument("--network", action="append", default=[])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--targets", required=True)
    parser.add_argument("--hardware", default="")
    parser.add_argument("--ops", default=",".join(OPS))
    parser.add_argument("--dtypes")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    # From the shell script.
    for name in ("--halide", "--generator", "--build"):
        parser.add_argument(name, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", default="1", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    expect(options.batch is None or options.batch > 0, f"--batch is {options.batch}, expected an integer above 0")
    options.targets = some_of(options.targets, target_names(), "--targets")
    options.ops = some_of(options.ops, OPS, "--ops")
    options.dtypes = some_of(options.dtypes, declarations.dtypes_on("cpu"), "--dtypes") if options.dtypes else [None]
    options.hardware = [name for name in options.hardware.split(",") if name]
    return options


def read_all(options):
    found = []
    for path in options.problems:
        for dtype in options.dtypes:
            found += problem_files.read_problems(path, options.batch, options.network, dtype)
    expect(found, f"{', '.join(map(str, options.problems))}: there are no problems in there")
    return found


def targets_by_processor(targets):
    """{processor: its targets}. A GPU's target goes with each processor that has a CPU target."""
    halide = {name: json.loads((ROOT / "schedules" / name / "target.json").read_text())["halide_target"] for name in targets}
    result = {}
    for name, processor in PROCESSORS.items():
        cpus = [t for t in targets if halide[t].startswith(processor.halide + "-")]
        if cpus:
            result[name] = cpus + [t for t in targets if halide[t].startswith("{host}")]
    expect(result, f"--targets is {','.join(targets)}: a GPU's target needs a CPU's beside it")
    return result


def hardware_of(options, targets):
    return [name for name in options.hardware if any((ROOT / "schedules" / t / f"{name}.json").exists() for t in targets)]


def choices(options, problems, processor, targets, hardware, folder, log):
    """What convgrad takes for each problem, asked of its own code with the tables of these targets."""
    probes = Probes(folder, PROCESSORS[processor].halide, targets, hardware, options.halide, options.jobs, log)
    asked = [(problem, op) for problem in problems for op in options.ops]
    return [Choice(problem, op, target, machine, answer.before, answer.kernel)
            for target in targets for machine in ("any", *hardware)
            for (problem, op), answer in zip(asked, probes.choose(target, machine, options.strict, asked))]


def build(options, processor, targets, hardware, kernels, dtypes, folder, prefix, log):
    command = ["cmake", "-S", ROOT, "-B", folder / "library", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
               f"-DBUILD_SHARED_LIBS={'ON' if options.shared else 'OFF'}", f"-DCONVGRAD_TARGETS={';'.join(targets)}",
               f"-DCONVGRAD_HARDWARE={';'.join(hardware)}", f"-DCONVGRAD_KERNEL_FILTER=^({'|'.join(sorted(kernels))})$",
               f"-DCONVGRAD_DTYPES={';'.join(sorted(dtypes))}",
               f"-DCONVGRAD_GENERATOR={options.generator}", f"-DHalide_DIR={options.halide}/lib64/cmake/Halide",
               f"-DHalideHelpers_DIR={options.halide}/lib64/cmake/HalideHelpers", f"-DPython3_EXECUTABLE={sys.executable}",
               f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DCMAKE_INSTALL_LIBDIR=lib"]
    if platform.machine() != processor:
        expect(PROCESSORS[processor].toolchain, f"kernels for {processor} are built on {processor} only")
        command.append(f"-DCMAKE_TOOLCHAIN_FILE={ROOT / 'build_tools/cmake' / PROCESSORS[processor].toolchain}")
    run(command, log, "configuring the library")
    run(["cmake", "--build", folder / "library", "--target", "convgrad", "-j", options.jobs], log, "building the library")
    run(["cmake", "--install", folder / "library"], log, "installing the library")
    tables = (folder / "library/tables/library/kernels.cmake").read_text()
    built = re.search(r"^set\(CONVGRAD_KERNELS (.*)\)$", tables, re.M)[1].split()
    return {name: (folder / "library/kernels" / f"{name}.o").stat().st_size for name in built}


def version():
    header = (ROOT / "runtime/include/convgrad/convgrad.h").read_text()
    return ".".join(re.findall(r"^#define CONVGRAD_VERSION_\w+ (\d+)", header, re.M))


def write_manifest(options, processor, targets, hardware, chosen, sizes, prefix):
    used_for = collections.Counter(c.kernel for c in chosen if c.kernel)
    library = next(prefix.glob("lib/libconvgrad.*"))
    manifest = {
        "convgrad": version(), "processor": processor, "targets": targets, "hardware": hardware,
        "strict": options.strict, "library": {"file": str(library.relative_to(prefix)), "bytes": library.stat().st_size},
        # A kernel without problems is a generic one, for what is not listed here.
        "kernels": [{"name": name, "object_bytes": size, "problems": used_for[name]} for name, size in sizes.items()],
        "problems": [{"name": c.problem.name, "problem": c.problem.text(c.op), "op": c.op, "dtype": c.problem.dtype,
                      "data_format": c.problem.data_format, "batch": c.problem.input[0], "input_hwc": c.problem.input[1:],
                      "filter_hwio": c.problem.filter, "strides": c.problem.strides, "dilations": c.problem.dilations,
                      "groups": c.problem.groups, "padding": c.problem.padding, "rows_and_columns_before": c.before,
                      "target": c.target, "hardware": c.hardware, "kernel": c.kernel} for c in chosen]}
    path = prefix / MANIFEST
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def generate(options, problems, processor, targets):
    folder = options.build / processor
    log = folder / "log.txt"
    hardware = hardware_of(options, targets)
    folder.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    prefix = (options.output / processor).resolve()
    expect(not prefix.exists() or (prefix / MANIFEST).exists() or not any(prefix.iterdir()),
           f"{prefix} holds something else than an earlier package: --output names another folder, or remove it")
    print(f"{processor}: which kernels {len(problems)} problems need on {', '.join(targets)}", flush=True)
    chosen = choices(options, problems, processor, targets, hardware, folder, log)
    kernels = {choice.kernel for choice in chosen if choice.kernel}
    print(f"{processor}: building {len(kernels)} kernels and the generic ones (log: {log})", flush=True)
    # An earlier package goes once the new one is there.
    made = folder / "package"
    shutil.rmtree(made, ignore_errors=True)
    dtypes = {problem.dtype for problem in problems}
    sizes = build(options, processor, targets, hardware, kernels, dtypes, folder, made, log)
    expect(kernels <= sizes.keys(), f"the library lacks {', '.join(sorted(kernels - sizes.keys()))}")
    manifest = write_manifest(options, processor, targets, hardware, chosen, sizes, made)
    shutil.rmtree(prefix, ignore_errors=True)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, prefix)
    return prefix, manifest, prefix / MANIFEST


def main():
    try:
        options = arguments()
        problems = read_all(options)
        processors = targets_by_processor(options.targets)
        for name in options.hardware:
            expect(any((ROOT / "schedules" / target / f"{name}.json").exists() for target in options.targets),
                   f"--hardware has {name!r}: none of {', '.join(options.targets)} has a file {name}.json")
        if options.check:
            return
        packages = [generate(options, problems, *entry) for entry in processors.items()]
    except (ToolError, problem_files.ProblemError, kernel_rows.RowError) as error:
        sys.exit(f"generate: {error}")
    for prefix, manifest, path in packages:
        library = manifest["library"]
        print(f"\n{prefix}: {library['file']}, {library['bytes'] / 1e6:.1f} MB, {len(manifest['kernels'])} kernels"
              f"\n  what serves what: {path}\n  to link it: find_package(convgrad) with CMAKE_PREFIX_PATH={prefix}")


if __name__ == "__main__":
    main()
