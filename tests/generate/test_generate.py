"""build_tools/generate as a user runs it: MobileNetV2's package is linked by a separate program, which runs every layer,
on this machine and, where it is x86-64, on ARM under QEMU."""

import json
import os
import pathlib
import platform
import subprocess

import pytest
from problems import parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
APP = pathlib.Path(__file__).resolve().parent / "app"
WORK = pathlib.Path(os.environ["CONVGRAD_GENERATE_WORK"])
OPS = ("conv2d", "conv2d_backprop_input", "conv2d_backprop_filter")
TARGETS = {"x86_64": "x86_64_avx2,arm_64_neon", "aarch64": "arm_64_neon"}[platform.machine()]
PROCESSORS = {"x86_64": ("x86_64", "aarch64"), "aarch64": ("aarch64",)}[platform.machine()]
TARGET_OF = {"x86_64": "x86_64_avx2", "aarch64": "arm_64_neon"}


def run(command, **keywords):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **keywords)


def generate(*arguments):
    return run([ROOT / "build_tools/generate", *arguments])


@pytest.fixture(scope="session")
def packages():
    made = generate("--problems", ROOT / "data/networks.json", "--network", "mobilenet_v2", "--batch", 1, "--targets", TARGETS,
                    "--output", WORK / "packages")
    assert made.returncode == 0, made.stdout + made.stderr
    return WORK / "packages"


def manifest_of(packages, processor):
    return json.loads((packages / processor / "share/convgrad/manifest.json").read_text())


def program(packages, processor):
    """The user's program, built against a package, and what runs it."""
    build = WORK / f"app_{packages.name}_{processor}"
    moved = WORK / f"moved_{packages.name}_{processor}"  # packages are relocatable
    run(["rm", "-rf", moved, build])
    run(["cp", "-r", packages / processor, moved])
    foreign = processor != platform.machine()
    toolchain = [f"-DCMAKE_TOOLCHAIN_FILE={ROOT}/build_tools/cmake/aarch64-linux-gnu.cmake"] if foreign else []
    # Ninja: a bare machine has no make.
    configure = ["cmake", "-S", APP, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_PREFIX_PATH={moved}"]
    for command in ([*configure, *toolchain], ["cmake", "--build", build]):
        done = run(command)
        assert done.returncode == 0, done.stdout + done.stderr
    return (["qemu-aarch64", "-cpu", "cortex-a53", "-L", "/usr/aarch64-linux-gnu"] if foreign else []) + [build / "network"]


def line(kernel, before, problem):
    """As app/main.c reads it."""
    return " ".join(map(str, [kernel, *before, problem])) + "\n"


@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_manifest_names_every_kernel(packages, processor):
    manifest = manifest_of(packages, processor)
    target = TARGET_OF[processor]
    assert manifest["targets"] == [target]
    kernels = {kernel["name"]: kernel for kernel in manifest["kernels"]}
    needed = {problem["kernel"] for problem in manifest["problems"]}
    assert needed <= kernels.keys()
    generic = {f"{op}_f32_{target}_generic" for op in OPS}
    spare = {name for name in kernels if name not in needed}
    assert all(any(name.startswith(g) for g in generic) for name in spare), spare
    assert all(any(name.startswith(g) for name in kernels) for g in generic)
    layers = json.loads((ROOT / "data/networks.json").read_text())["mobilenet_v2"]
    assert len(manifest["problems"]) == len(OPS) * (len(layers["layers"]) + len(layers["grouped_layers"]))
    assert {problem["dtype"] for problem in manifest["problems"]} == {"f32"}
    for problem in manifest["problems"]:
        op, parsed = parse(problem["problem"])
        sizes = (list(parsed.input[1:]), list(parsed.filter))
        assert op == problem["op"] and sizes == (problem["input_hwc"], problem["filter_hwio"])
    library = packages / processor / manifest["library"]["file"]
    assert manifest["library"]["bytes"] == library.stat().st_size
    assert all(kernel["object_bytes"] > 1000 for kernel in kernels.values())


@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_third_of_the_full_library(packages, processor):
    full = os.environ.get(f"CONVGRAD_FULL_LIBRARY_{processor}")
    if not full or not pathlib.Path(full).exists():
        pytest.skip(f"no full library for {processor} ({full}): its own build's tests compare")
    assert 3 * manifest_of(packages, processor)["library"]["bytes"] <= pathlib.Path(full).stat().st_size


@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_separate_program_runs_the_network(packages, processor):
    command = program(packages, processor)
    # An emulator is slow: there only the smaller layers.
    most = 1e99 if processor == platform.machine() else 4e7
    lines = []
    for p in manifest_of(packages, processor)["problems"]:
        height, width, _ = p["input_hwc"]
        r, s, c, k = p["filter_hwio"]
        if height * width * r * s * c * k / (p["strides"][0] * p["strides"][1]) <= most:
            lines.append(line(p["kernel"], p["rows_and_columns_before"], p["problem"]))
    assert len(lines) > 20
    env = {**os.environ, "CONVGRAD_TARGET": TARGET_OF[processor]}
    ran = run(command, input="".join(lines), env=env)
    if "this machine lacks" in ran.stderr:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(ran.stdout.splitlines()) == len(lines)


@pytest.mark.parametrize("processor", PROCESSORS)
def test_what_is_not_in_the_list_still_works(packages, processor):
    command = program(packages, processor)
    other = parse("conv2d n2 h9 w11 c5 r5x3 k7 s2x1 d1x2 p2,1,0,3")[1]
    generic = {op: next(k["name"] for k in manifest_of(packages, processor)["kernels"]
                        if k["name"].startswith(f"{op}_f32_{TARGET_OF[processor]}_generic")) for op in OPS}
    env = {**os.environ, "CONVGRAD_TARGET": TARGET_OF[processor]}
    ran = run(command, input="".join(line(generic[op], (2, 0), other.text(op)) for op in OPS), env=env)
    if "this machine lacks" in ran.stderr:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_kernels_of_two_element_types():
    """Of those that are asked for, whatever the file says; of others the package has none."""
    processor, packages = platform.machine(), WORK / "two_types"
    problems = WORK / "two_types.json"
    problems.write_text(json.dumps({"net": {"dtype": "f64", "layers": [
        {"name": "a", "input_hwc": [8, 8, 8], "filter_hwio": [3, 3, 8, 16], "output_hwc": [8, 8, 16], "padding": "SAME"}]}}))
    for dtypes in (["f64"], ["f32", "f64"]):
        asked = ["--dtypes", ",".join(dtypes)] if len(dtypes) > 1 else []
        made = generate("--problems", problems, "--targets", TARGET_OF[processor], "--output", packages, *asked)
        assert made.returncode == 0, made.stdout + made.stderr
        manifest = manifest_of(packages, processor)
        assert {problem["dtype"] for problem in manifest["problems"]} == set(dtypes)
        names = [kernel["name"] for kernel in manifest["kernels"]]
        assert {dtype for dtype in ("f32", "f64") if any(f"_{dtype}_" in name for name in names)} == set(dtypes)
    lines = [line(p["kernel"], p["rows_and_columns_before"], p["problem"]) for p in manifest["problems"]]
    ran = run(program(packages, processor), input="".join(lines), env={**os.environ, "CONVGRAD_TARGET": TARGET_OF[processor]})
    if "this machine lacks" in ran.stderr:
        pytest.skip(ran.stderr.strip())
    assert ran.returncode == 0 and len(ran.stdout.splitlines()) == 2 * len(OPS), ran.stdout + ran.stderr


@pytest.mark.parametrize("arguments, text", [
    (["--targets", "x86"], "--targets has 'x86', expected some of"),
    (["--targets", "opencl"], "a GPU's target needs a CPU's beside it"),
    (["--ops", "conv3d"], "--ops has 'conv3d', expected some of conv2d, "),
    (["--batch", "0"], "--batch is 0, expected an integer above 0"),
    (["--dtypes", "f32,f16"], "--dtypes has 'f16', expected some of f32, f64"),
    (["--hardware", "pentium"], "--hardware has 'pentium': none of"),
])
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, arguments, text):
    defaults = {"--problems": str(ROOT / "data/networks.json"), "--targets": TARGETS, "--output": str(tmp_path / "out")}
    defaults.update(zip(arguments[::2], arguments[1::2]))
    done = generate(*[word for pair in defaults.items() for word in pair])
    assert done.returncode != 0 and text in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wrong_output_size_is_told(tmp_path):
    problems = tmp_path / "p.json"
    problems.write_text(json.dumps({"net": {"layers": [{"name": "a", "input_hwc": [8, 8, 3], "filter_hwio": [3, 3, 3, 4],
                                                        "output_hwc": [8, 8, 4], "padding": "VALID"}]}}))
    done = generate("--problems", problems, "--targets", TARGETS, "--output", tmp_path / "out")
    assert done.returncode != 0
    assert "net.layers[0]: a: its output is said to be [1, 8, 8, 4], by input, filter, strides and padding it is [1, 6, 6, 4]" in done.stderr


def test_help():
    done = generate("--help")
    assert done.returncode == 0 and "--problems FILE" in done.stdout
