#!/usr/bin/env python3
"""How close the innermost loops of compiled kernels can come to a CPU's FMA limit, without that CPU.

Takes every innermost loop of a kernel's register tile out of its object's disassembly, simulates it with llvm-mca as if
all loads hit L1, and reports the slowest beside the throughput of a loop of independent FMAs on the same model of the
CPU. (LLVM 19 models two 128-bit FMAs a cycle for Cortex-A55, whose two pipes are 64 bits wide: of what that CPU can do
its percentages are half.) Loads and stores of vector registers through the stack pointer in such a loop are spills,
whose way through memory the simulation takes to be free; an address that is loaded from there is no matter. Exit status
1 if any loop spills, or if a direct kernel of arm_64_neon is below 85% on Neoverse-N1.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import declarations

LEAST_PERCENT = {("arm_64_neon", "neoverse-n1"): 85}
ITERATIONS = 500  # enough for the start of the simulated pipeline not to be seen


@dataclasses.dataclass(frozen=True)
class Target:
    triple: str
    cpus: tuple
    fma: str  # what a vector FMA's mnemonic and first operand look like
    independent_fmas: tuple  # a loop of these shows the limit
    stack_pointer: str
    frame_pointer: str
    vector: str  # a vector register
    sets_frame_pointer: str  # where no instruction of a function does this, the register is like any other


def x86_target(cpus, register, count):
    return Target("x86_64", cpus, rf"vfn?m(add|sub)\d+p[sd]\b.*%{register}\d+$",
                  tuple(f"vfmadd231ps %{register}{count}, %{register}{count + 1}, %{register}{i}" for i in range(count)),
                  r"\(%rsp[,)]", r"\(%rbp[,)]", r"%[xyz]mm", r"^movq\s+%rsp, %rbp$")


TARGETS = {
    "x86_64_avx512": x86_target(("skylake-avx512",), "zmm", 24),
    "x86_64_avx2": x86_target(("znver3", "skylake-avx512"), "ymm", 12),
    "arm_64_neon": Target("aarch64", ("neoverse-n1", "cortex-a55"), r"fml[as]\s+v\d+\.(4s|2d)",
                          tuple(f"fmla v{i}.4s, v24.4s, v25.4s" for i in range(24)),
                          r"\[sp\b", r"\[x29\b", r"\b[qdsv]\d", r"^(mov|add)\s+x29, sp"),
}


def tool(name):
    for candidate in (os.environ.get(name.upper().replace("-", "_")), f"{name}-19"):
        path = candidate and shutil.which(candidate)
        if path:
            return path
    sys.exit(f"inner_loops: there is no {name}-19 (Debian package llvm-19)")


def run(command, text=None):
    result = subprocess.run(command, input=text, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"inner_loops: {' '.join(map(str, command))}:\n{result.stderr}")
    return result.stdout


def functions(objdump, path):
    """The object's functions, each a list of (address, instruction, address that it jumps to or None)."""
    found = []
    for line in run([objdump, "-d", "--no-show-raw-insn", path]).splitlines():
        if re.match(r"^[0-9a-f]+ <.*>:$", line):
            found.append([])
        match = re.match(r"^\s*([0-9a-f]+):\s+(.*?)\s*$", line)
        if match and found:
            instruction = re.sub(r"\s+(<.*>|[/#] .*)$", "", match[2])
            # Only what can be a loop's end: branches, conditional or not.
            jump = re.match(r"(?:j\w+|b|b\.\w+|cbn?z|tbn?z)\s(?:.*\s)?(0x[0-9a-f]+)$", instruction)
            found[-1].append((int(match[1], 16), instruction, int(jump[1], 16) if jump else None))
    return found


def innermost_loops(function):
    """Each loop without another one in it, as (instructions, whose last jumps to the first)."""
    index = {address: i for i, (address, _, _) in enumerate(function)}
    spans = [(index[target], i) for i, (address, _, target) in enumerate(function)
             if target is not None and target <= address and target in index]
    for first, last in spans:
        if not any(first <= f and l <= last and (f, l) != (first, last) for f, l in spans):
            yield [instruction for _, instruction, _ in function[first:last + 1]]


def spills_of(loop, function, target):
    patterns = [target.stack_pointer]
    if any(re.search(target.sets_frame_pointer, instruction) for _, instruction, _ in function):
        patterns.append(target.frame_pointer)
    return sum(any(re.search(pattern, instruction) for pattern in patterns) and bool(re.search(target.vector, instruction))
               for instruction in loop)


def cycles(mca, target, cpu, loop):
    """Simulated cycles an iteration, once the pipeline is full."""
    # Addresses mean nothing to an assembler's input; jumps inside the loop and back are to a label.
    text = "".join(re.sub(r"^((?:j\w+|b|b\.\w+|cbn?z|tbn?z)\s(?:.*\s)?)0x[0-9a-f]+$", r"\1.Lloop", i) + "\n" for i in loop)
    command = [mca, f"-mtriple={target.triple}", f"-mcpu={cpu}", "-instruction-info=0", "-resource-pressure=0"]
    total = [int(re.search(r"^Total Cycles:\s+(\d+)", run([*command, f"-iterations={count}"], ".Lloop:\n" + text), re.M)[1])
             for count in (ITERATIONS, 2 * ITERATIONS)]
    return (total[1] - total[0]) / ITERATIONS


def target_of(kernel):
    # The longest name: the test-only target x86_64_avx512_on_avx2 is none of these.
    match = re.match(rf"({'|'.join(declarations.OPS)})_f\d+_(\w+?)_({'|'.join(declarations.ALGORITHMS)})_", kernel)
    return (match[2], declarations.family_of(match[3], match[1], "cpu")) if match else ("", None)


def report(path, objdump, mca, limits):
    target_name, family = target_of(path.stem)
    target = TARGETS[target_name]
    loops = [(loop, sum(bool(re.match(target.fma, i)) for i in loop), spills_of(loop, function, target))
             for function in functions(objdump, path) for loop in innermost_loops(function)]
    if not family.strict:
        # The passes of its transforms have FMAs too, and go through the stack by design; the instructions of the products'
        # loop are FMAs above all.
        loops = [entry for entry in loops if 5 * entry[1] > 2 * len(entry[0])]
    if "in_place" in path.stem:
        # One more copy of the tile's loop, for channels in no whole vectors. It loads lane by lane, and no row chooses the
        # kernel for them. (So are defaults named; a tuned hardware's rows are not looked at.)
        loops = [entry for entry in loops if not any(re.match(r"v?insertps|v?movhpd|ld1\s+\{.*\[\d", i) for i in entry[0])]
    most = max((fmas for _, fmas, _ in loops), default=0)
    if most == 0:
        sys.exit(f"inner_loops: no innermost loop of {path} has an FMA")
    # Tails and copies of the tile's loop have its FMAs; shorter loops are none of a tile.
    tile = [entry for entry in loops if 2 * entry[1] > most]
    rows = []
    for cpu in target.cpus:
        limit = limits[target_name, cpu]
        needed = [(cycles(mca, target, cpu, loop), fmas) for loop, fmas, _ in tile]
        slowest, fmas = max(needed, key=lambda entry: entry[0] / entry[1])
        percent = 100 * fmas / slowest / limit
        spills = max(entry[2] for entry in tile)
        least = LEAST_PERCENT.get((target_name, cpu), 0) if family.fixed and family.strict else 0
        rows.append({"kernel": path.stem, "cpu": cpu, "loops": len(tile), "fmas": fmas, "cycles": slowest,
                     "limit_per_cycle": limit, "percent": percent, "spills": spills,
                     "failed": spills > 0 or percent < least})
    return rows


def print_table(rows):
    width = max(len(row["kernel"]) for row in rows)
    print(f"{'kernel':{width}}  {'CPU':14} loops  FMAs  cycles  % of limit  spills")
    for row in rows:
        print(f"{row['kernel']:{width}}  {row['cpu']:14} {row['loops']:5} {row['fmas']:5} {row['cycles']:7.2f}"
              f" {row['percent']:11.0f} {row['spills']:7}{'  FAILED' if row['failed'] else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", nargs="+", type=pathlib.Path, metavar="PATH",
                        help="kernels' objects, or folders of them (build/<preset>/kernels)")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only kernels whose name matches")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the table as JSON too")
    arguments = parser.parse_args()
    objdump, mca = tool("llvm-objdump"), tool("llvm-mca")
    paths = [p for given in arguments.objects for p in (sorted(given.glob("*.o")) if given.is_dir() else [given])]
    paths = [p for p in paths if target_of(p.stem)[0] in TARGETS and re.search(arguments.filter, p.stem)]
    if not paths:
        sys.exit(f"inner_loops: no kernel of {', '.join(TARGETS)} in {' '.join(map(str, arguments.objects))}")
    limits = {}
    for name in sorted({target_of(p.stem)[0] for p in paths}):
        target = TARGETS[name]
        for cpu in target.cpus:
            limits[name, cpu] = len(target.independent_fmas) / cycles(mca, target, cpu, target.independent_fmas)
            print(f"limit of {name} on {cpu}: {limits[name, cpu]:.2f} vector FMAs a cycle")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = [row for of_one in pool.map(lambda p: report(p, objdump, mca, limits), paths) for row in of_one]
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    failed = [row for row in rows if row["failed"]]
    print(f"{len(paths)} kernels, {sum(row['loops'] for row in rows)} loops simulated, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
