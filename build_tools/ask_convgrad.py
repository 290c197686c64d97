"""What convgrad's own code answers about problems: the programs of build_tools/probes, built and asked."""

import collections
import subprocess
import sys

import kernel_rows

Answer = collections.namedtuple("Answer", "output before kernel")  # (p, q), (top, left), the kernel's name or None


class ToolError(Exception):
    """What a command cannot do, in words for its user."""


def expect(condition, message):
    if not condition:
        raise ToolError(message)


# A processor: its name in Halide's targets, and CMake's toolchain where this machine is another.
Processor = collections.namedtuple("Processor", "halide toolchain")
PROCESSORS = {"x86_64": Processor("x86-64", None), "aarch64": Processor("arm-64", "aarch64-linux-gnu.cmake")}


def target_names():
    return sorted(path.parent.name for path in (kernel_rows.ROOT / "schedules").glob("*/target.json"))


def some_of(text, known, option):
    """The values of an option that takes some of `known`, separated by commas."""
    values = [value for value in text.split(",") if value]
    expect(values, f"{option} is empty, expected some of {', '.join(known)}")
    for value in values:
        expect(value in known, f"{option} has {value!r}, expected some of {', '.join(known)}")
    return list(dict.fromkeys(values))


def run(command, log, what):
    """Runs a command, its output in `log`; its last lines are shown where it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as stream:
        stream.write(f"$ {' '.join(map(str, command))}\n")
        stream.flush()
        failed = subprocess.run(list(map(str, command)), stdout=stream, stderr=subprocess.STDOUT).returncode
    if failed:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise ToolError(f"{what} failed (all of its output: {log}):\n{tail}")


class Probes:
    """The probes for some targets of a processor, in `folder`; `halide` is the folder of its package."""

    def __init__(self, folder, processor, targets, hardware, halide, jobs, log, measure=False):
        self.folder = folder / "probes"
        tables = folder / "tables"
        command = [sys.executable, kernel_rows.ROOT / "build_tools/kernel_rows.py", "--output", tables, "--processor", processor]
        for option, names in (("--target", targets), ("--hardware", hardware)):
            for name in names:
                command += [option, name]
        run(command, log, "reading schedules/")
        programs = ["convgrad_choose", "convgrad_measure"][:2 if measure else 1]
        run(["cmake", "-S", kernel_rows.ROOT / "build_tools/probes", "-B", self.folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
             f"-DCONVGRAD_MEASURE={'ON' if measure else 'OFF'}", f"-DCONVGRAD_TABLE_DIR={tables}",
             f"-DCONVGRAD_HALIDE_RUNTIME_INCLUDE_DIR={halide}/include"], log, f"configuring {programs[-1]}")
        run(["cmake", "--build", self.folder, "-j", jobs, "--target", *programs], log, f"building {programs[-1]}")

    def choose(self, target, hardware, strict, asked):
        """An Answer for each (problem, op) of `asked`, on a machine of that target and hardware ("any": of no name)."""
        text = "".join(problem.text(op) + "\n" for problem, op in asked)
        done = subprocess.run([self.folder / "convgrad_choose", target, hardware, str(int(strict))], input=text,
                              capture_output=True, text=True)
        lines = done.stdout.splitlines()
        expect(done.returncode == 0 and len(lines) == len(asked), f"convgrad_choose failed: {done.stderr}")
        answers = []
        for (problem, _), line in zip(asked, lines):
            expect(not line.startswith("!"), f"{problem.where}: {problem.name}: {line[2:]}")
            height, width, top, left, kernel = line.split()
            problem.expect_output((problem.input[0], int(height), int(width), problem.filter[3]))
            answers.append(Answer((int(height), int(width)), [int(top), int(left)], None if kernel == "-" else kernel))
        return answers
