"""The sides of the comparison, and their processes."""

import os
import pathlib
from dataclasses import dataclass, replace

from problems import Problem
from workers import Worker, WorkerError

HERE = pathlib.Path(__file__).resolve().parent

# What holds a peer to the instruction set of a target: oneDNN, PyTorch's own kernels and its MKL. TensorFlow's own
# kernels know no such limit.
LIMITS = {
    "x86_64_sse41": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
    "x86_64_avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}

# Any problem will do that is work for two threads, so long as no network has it: oneDNN would find its kernel made. This
# one's filter is larger than any layer's, so that whoever packs it has had as much memory as the layer will want, as after
# a pass of a network. (docs/measurements/tools.md)
WARM_UP = Problem(
    input=(1, 13, 13, 2112),
    filter=(1, 1, 2112, 1600),
    output=(1, 7, 7, 1600),
    strides=(2, 2),
    dilations=(1, 1),
    padding=(0, 0, 0, 0),
    groups=1,
)
WARM_UP_SECONDS = 0.02

# Peers that do not know an element type, and why.
LACKS = {("onednn", "f64"): "oneDNN's convolutions on CPUs know no float64"}

OUR_OWNERS = ("convgrad", "convgrad_default")  # the second: without the rows of --hardware, which the first then has


@dataclass(frozen=True)
class Side:
    key: str
    label: str
    owner: str  # whose process: convgrad, convgrad_default, onednn, torch or tensorflow
    choice: str
    format: str = "NHWC"


ALL_SIDES = [
    Side("convgrad", "convgrad", "convgrad", "default"),
    Side("convgrad_strict", "convgrad strict", "convgrad", "strict"),
    Side("convgrad_default", "convgrad, defaults", "convgrad_default", "default"),
    Side("onednn_same", "oneDNN, same layouts", "onednn", "same"),
    Side("onednn_convert", "oneDNN, converting", "onednn", "convert"),
    Side("onednn_best", "oneDNN, its best layouts", "onednn", "best"),
    Side("torch", "PyTorch", "torch", "default"),
    Side("tensorflow", "TensorFlow", "tensorflow", "default"),
    Side("convgrad_nchw", "convgrad NCHW", "convgrad", "default", "NCHW"),
    Side("onednn_same_nchw", "oneDNN, same layouts", "onednn", "same", "NCHW"),
    Side("onednn_convert_nchw", "oneDNN, converting", "onednn", "convert", "NCHW"),
    Side("torch_nchw", "PyTorch", "torch", "default", "NCHW"),
]


def _told(problem, op, pads, way):
    """A problem in a request: its padding is where the library places it."""
    placed = replace(problem, padding=tuple(pads), data_format=way["format"])
    return {"problem": placed.text(f"conv2d_{op}"), "output": problem.output, "pads": pads}


class Sides:
    """Every owner's process for every number of threads; only one of them works at a time."""

    def __init__(self, options, cores, warm_up_files):
        self.missing = dict(options.missing)  # owner -> why
        for owner, dtype in LACKS:
            if owner in options.peers and dtype == options.dtype:
                self.missing[owner] = LACKS[owner, dtype]
        self.sides = []
        self.described = {}
        self._options = options
        self._cores = cores
        self._warm_up_files = warm_up_files
        self._workers = {}
        owners = [*(OUR_OWNERS if options.hardware else ["convgrad"]), *options.peers]
        try:
            for threads in options.threads:
                for owner in owners:
                    if owner not in self.missing:
                        self._start(owner, threads)
            for owner in OUR_OWNERS:
                if owner in self.missing:
                    raise SystemExit(f"{owner} itself does not run: {self.missing[owner]}")
        except BaseException:
            self.close()
            raise
        self.author = self.worker("convgrad", options.threads[0])  # knows layers and plain loops
        formats = ("NHWC", "NCHW") if options.nchw else ("NHWC",)
        self.sides = [
            side
            for side in ALL_SIDES
            if side.format in formats and side.owner in owners and side.owner not in self.missing
        ]

    def worker(self, owner, threads):
        return self._workers[owner, threads]

    def another(self, owner, threads):
        """One more process, for what happens once in each: the caller closes it."""
        return Worker(self._command(owner, threads), self._cores[:threads], self._environment(owner, threads))

    def prepare(self, worker, way, problem, op, pads, **files):
        """What a process answers that prepares a gradient in a way (choice and format). Right before the first run it
        computes something else, as it would in the midst of a network. (A first call after a wait, while others filled
        the caches, took up to twice as long, whosever library it was.)"""
        self._prepare_warm_up(worker, way)
        return worker.ask("prepare", **way, **_told(problem, op, pads, way), **files, warm_up_seconds=WARM_UP_SECONDS)

    def _prepare_warm_up(self, worker, way):
        problem = replace(WARM_UP, dtype=self._options.dtype)
        told = _told(problem, "backprop_input", problem.padding, way)
        worker.ask("prepare", **way, **told, **self._warm_up_files, warm_up_seconds=0)

    def forget(self):
        for worker in self._workers.values():
            try:
                worker.ask("forget")
            except WorkerError:
                pass  # its process has ended: every later request will say so, too

    def close(self):
        for worker in self._workers.values():
            worker.close()

    def _is_tuned(self, owner):
        return owner == "convgrad" and bool(self._options.hardware)

    def _command(self, owner, threads):
        options = self._options
        if owner in OUR_OWNERS:
            target = ["--target", options.target] if options.target else []
            programs = options.tuned_programs if self._is_tuned(owner) else options.programs
            return [programs / "convgrad_worker", "--threads", threads, "--dtype", options.dtype, *target]
        if owner == "onednn":
            return [options.programs / "onednn_worker"]
        return [options.pythons[owner], HERE / f"{owner}_worker.py", threads]

    def _environment(self, owner, threads):
        environment = {
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if owner not in OUR_OWNERS:
            environment.update(LIMITS.get(self._options.target, {}))
        opencl = self._options.opencl
        if owner == "onednn" and opencl and opencl.exists():
            environment["OCL_ICD_FILENAMES"] = str(opencl)
        return environment

    def _start(self, owner, threads):
        try:
            worker = self._workers[owner, threads] = self.another(owner, threads)
            self._prepare_warm_up(worker, {"choice": {"onednn": "same"}.get(owner, "default"), "format": "NHWC"})
            worker.ask("forget")
        except (WorkerError, OSError, KeyError) as error:
            self.missing[owner] = str(error)
            return
        hello = worker.hello
        ours = self._options.tuned_library if self._is_tuned(owner) else self._options.library
        libraries = [str(ours)] if owner in OUR_OWNERS else hello.pop("libraries", [])
        if self._options.hardware and owner in OUR_OWNERS:
            hello["detail"] = f"with the rows of {self._options.hardware}" if self._is_tuned(owner) else "its defaults"
        hello["libraries"] = {
            os.path.basename(path): os.path.getsize(path) for path in libraries if os.path.exists(path)
        }
        self.described[owner] = hello
