"""What happens on the machine that is measured: this one, or a worker, which is sent this file and needs nothing of
convgrad. So it uses the standard library alone, and only what a Python older than the tuner's has too."""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

SYS_CPU = pathlib.Path("/sys/devices/system/cpu")


class Failed(Exception):
    """A candidate that gives no time: kind is compile, crash, timeout, wrong, refused or lost."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text

    def as_record(self):
        return {"kind": self.kind, "text": self.text}


def cpu_id():
    """(vendor, family, model), as runtime/hardware.h tells them."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    field = lambda name: re.search(rf"^{name}\s*:\s*(.*)$", text, re.M)
    if field("vendor_id"):
        return field("vendor_id")[1], int(field("cpu family")[1]), int(field("model")[1])
    if field("CPU implementer"):
        return field("CPU implementer")[1], 8, int(field("CPU part")[1], 0)
    raise RuntimeError("/proc/cpuinfo names neither an x86 vendor nor an ARM implementer")


def default_name(cpu):
    vendor, family, model = cpu
    return re.sub(r"\W+", "_", f"{vendor}_{family}_{model}").lower()


def cache_bytes(level, otherwise):
    """A core's data cache of a level."""
    units = {"K": 1024, "M": 1024 * 1024}
    for index in sorted(SYS_CPU.glob("cpu0/cache/index*")):
        if (index / "level").read_text().strip() == str(level) and (index / "type").read_text().strip() != "Instruction":
            size = (index / "size").read_text().strip()
            return int(size[:-1]) * units[size[-1]] if size[-1] in units else int(size)
    return otherwise


def facts():
    return {"cpu": list(cpu_id()), "l1_bytes": cache_bytes(1, 32 * 1024), "l2_bytes": cache_bytes(2, 512 * 1024)}


def core_to_measure_on():
    """The last CPU of this process: interrupts and other work are mostly on the first."""
    return max(os.sched_getaffinity(0))


@contextlib.contextmanager
def alone():
    """One measurement at a time on a machine, whatever tuners and workers a user has there."""
    with open(pathlib.Path(tempfile.gettempdir()) / f"convgrad_measuring_{os.getuid()}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def measure(program, arguments, spec, limit):
    """What convgrad_measure prints, run alone and pinned to a core, and how long it took. Failed: the first kernel that gives
    no time, or more than `limit` seconds were needed."""
    # Not pinned by a preexec_fn: a Ctrl-C that comes while Python forks for one is lost.
    command = ["taskset", "--cpu-list", str(core_to_measure_on()), str(program), *arguments]
    with alone():
        begun = time.monotonic()
        try:
            done = subprocess.run(command, input=spec, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failed("timeout", f"took more than {limit:.0f} s")
        except OSError as error:
            raise Failed("crash", f"could not be started: {error}")
        took = time.monotonic() - begun
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
    return {**answer, "took": took}


def work(job):
    """A worker's job, and its answer, both plain JSON: the machine's facts, or the times of kernels that come with it."""
    if "program" not in job:
        return {"processor": platform.machine(), **facts()}
    with tempfile.TemporaryDirectory(prefix="convgrad_") as folder:
        folder = pathlib.Path(folder)
        spec = job["spec"]
        for name, content in {"program": job["program"], **job["libraries"]}.items():
            (folder / name).write_bytes(base64.b64decode(content))
            spec = spec.replace(f"kernel {name} ", f"kernel {folder / name} ")
        (folder / "program").chmod(0o700)
        try:
            return {"answers": [measure(folder / "program", job["arguments"], spec, job["limit"]) for _ in range(job["runs"])]}
        except Failed as error:
            return {"error": error.as_record()}


if __name__ == "__main__":
    print(json.dumps(work(json.load(sys.stdin))))
