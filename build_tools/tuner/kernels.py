"""From a candidate to a kernel that can be measured: compiled by the generator, linked by itself."""

import concurrent.futures
import os
import re
import subprocess

import kernel_rows
from tuner.machine import Failed
from tuner.space import family_of

COMPILE_SECONDS = 300  # Winograd kernels take 3


class Kernels:
    """Compiles candidates for a target, each once, into `folder`."""

    def __init__(self, target, generator, folder, jobs):
        self.target, self.generator, self.folder = target, generator, folder
        self.pool = concurrent.futures.ThreadPoolExecutor(jobs)
        self.made = {}
        folder.mkdir(parents=True, exist_ok=True)

    def kernel(self, candidate):
        return kernel_rows.Kernel(candidate.op, row_of(candidate), self.target, "a candidate")

    def start(self, candidate):
        """Its compilation, in the background: a future of (kernel, library, scratch bytes)."""
        kernel = self.kernel(candidate)
        if kernel.name not in self.made:
            self.made[kernel.name] = self.pool.submit(self.compile, kernel)
        return self.made[kernel.name]

    def compile(self, kernel):
        library = self.folder / f"{kernel.name}.so"
        scratch = self.folder / f"{kernel.name}.scratch.inc"
        if not (library.exists() and scratch.exists()):
            # Under names of this process, then moved: a run that is killed, or another one, never finds half a file.
            mine = self.folder / f"{os.getpid()}"
            mine.mkdir(exist_ok=True)
            self.call([self.generator, "-g", kernel.generator, "-n", kernel.name, "-f", f"convgrad_kernel_{kernel.name}",
                       "-e", "object", "-o", mine, f"target={kernel.halide_target()}", f"scratch_file={mine / scratch.name}",
                       f"launch_file={mine / kernel.name}.launches", *kernel.generator_params()])
            self.call(["c++", "-shared", "-o", mine / library.name, mine / f"{kernel.name}.o"])
            for path in (scratch, library):
                os.replace(mine / path.name, path)
        text = scratch.read_text()
        return kernel, library, int(re.search(r", (\d+)\)", text)[1])

    @staticmethod
    def call(command):
        try:
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=COMPILE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed("compile", f"took more than {COMPILE_SECONDS} s")
        if done.returncode != 0:
            raise Failed("compile", (done.stderr or done.stdout).strip()[-400:])


def row_of(candidate):
    row = {"op": candidate.op, "dtype": candidate.dtype, "algorithm": candidate.algorithm, "variant": variant(candidate),
           "params": candidate.params}
    if family_of(candidate).fixed:
        row["accepts"] = {"filter": "x".join(map(str, candidate.filter)), "stride": "x".join(map(str, candidate.stride))}
    return row


def variant(candidate):
    """What tells kernels of the same tile apart: all of their other numbers."""
    return "_".join(f"{short(name)}{value}" for name, value in candidate.params.items() if not name.startswith("tile_"))


def short(name):
    return "b" + name[len("block_")] if name.startswith("block_") else name.replace("_", "")
