"""From a candidate to its times: compiled by the generator, linked by itself, run in a child of its own."""

import concurrent.futures
import contextlib
import fcntl
import json
import os
import re
import statistics
import subprocess

import kernel_rows

COMPILE_SECONDS = 300  # Winograd kernels take 3


class Failed(Exception):
    """A candidate that gives no time: kind is compile, crash, timeout, wrong or refused."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text


class Kernels:
    """Compiles candidates for a target, each once, into `folder`."""

    def __init__(self, target, generator, folder, jobs):
        self.target, self.generator, self.folder = target, generator, folder
        self.known = kernel_rows.schedule_params()
        self.pool = concurrent.futures.ThreadPoolExecutor(jobs)
        self.made = {}
        folder.mkdir(parents=True, exist_ok=True)

    def kernel(self, candidate):
        return kernel_rows.Kernel(candidate.op, row_of(candidate), self.target, "a candidate", self.known)

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
    row = {"op": candidate.op, "dtype": "f32", "algorithm": candidate.algorithm, "variant": variant(candidate),
           "params": candidate.params}
    if kernel_rows.ALGORITHMS[candidate.algorithm]["fixed"]:
        row["accepts"] = {"filter": "x".join(map(str, candidate.filter)), "stride": "x".join(map(str, candidate.stride))}
    return row


def variant(candidate):
    """What tells kernels of the same tile apart: all of their numbers."""
    params = candidate.params
    short = {"block_vectors": "bv", "block_width": "bw", "block_height": "bh", "block_images": "bi", "block_reduction": "br",
             "block_channels": "bc", "block_tiles": "bt", "one_panel": "one", "along_reduction": "along", "whole_rows": "rows"}
    return "_".join(f"{short[name]}{value}" for name, value in params.items() if name in short)


def spec_line(kernel, library, scratch):
    numbers = (*kernel.filter, *kernel.stride, int(kernel.channels_last), kernel.max_reduction(), kernel.filter_tile(),
               *kernel.block(), scratch, int(kernel.strict))
    return f"kernel {library} {kernel.name} {' '.join(map(str, numbers))}\n"


@contextlib.contextmanager
def alone(path):
    """One measurement at a time on a machine, whatever runs of the tuner there are."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Measuring:
    """Times kernels in a child process that is pinned to a core, one child at a time."""

    def __init__(self, program, target_name, core, lock, limit):
        self.program, self.target_name, self.core, self.lock = program, target_name, core, lock
        self.limit = limit  # seconds for a child

    def run(self, problem_line, built, seconds, rounds):
        """`built` are results of Kernels.compile, timed in turns. What convgrad_measure prints. Failed: the first kernel that
        gives no time."""
        text = f"problem {problem_line}\n" + "".join(spec_line(*entry) for entry in built)
        command = [str(self.program), self.target_name, "1", str(seconds), str(rounds)]  # one thread

        def pin():
            os.sched_setaffinity(0, {self.core})

        with alone(self.lock):
            try:
                done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=self.limit, preexec_fn=pin)
            except subprocess.TimeoutExpired:
                raise Failed("timeout", f"took more than {self.limit:.0f} s")
        if done.returncode != 0:
            raise Failed("crash", f"exit status {done.returncode}: {done.stderr.strip()[-400:]}")
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            raise Failed("crash", f"printed {done.stdout[-200:]!r}")
        for kernel in answer["kernels"]:
            for kind in ("refused", "wrong"):
                if kind in kernel:
                    raise Failed(kind, str(kernel[kind]))
        return answer


def times(kernel):
    seconds = kernel["seconds"]
    return {"best": min(seconds), "median": statistics.median(seconds), "runs": len(seconds)}
