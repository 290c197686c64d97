"""What the results were measured on, and which of its CPUs to use. Nothing here tells the machine's name."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

SYS_CPU = pathlib.Path("/sys/devices/system/cpu")


def one_cpu_a_core(cpus, siblings):
    """The first CPU of each core, in order; siblings(cpu): all CPUs that share its core, itself among them."""
    chosen, taken = [], set()
    for cpu in sorted(cpus):
        if cpu not in taken:
            chosen.append(cpu)
            taken |= {cpu} | siblings(cpu)
    return chosen


def parse_cpu_list(text):
    """ "0,4-6" -> {0, 4, 5, 6}"""
    cpus = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return cpus


def _siblings(cpu):
    path = SYS_CPU / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    return parse_cpu_list(path.read_text()) if path.exists() else {cpu}


def cores():
    return one_cpu_a_core(os.sched_getaffinity(0), _siblings)


def _caches():
    found = {}
    for index in sorted(SYS_CPU.glob("cpu0/cache/index*")):
        kind = (index / "type").read_text().strip()
        if kind != "Instruction":
            found["L" + (index / "level").read_text().strip()] = (index / "size").read_text().strip()
    return found


def _os_name():
    release = pathlib.Path("/etc/os-release")
    match = re.search(r'^PRETTY_NAME="?(.*?)"?$', release.read_text(), re.M) if release.exists() else None
    return match.group(1) if match else platform.system()


def _first_line(*command):
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        lines = []
    return lines[0] if lines else "unknown"


def description():
    info = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    fields = dict(re.findall(r"^(model name|cpu family|model|stepping|flags|vendor_id)\s*:\s*(.*)$", info, re.M))
    wanted = re.compile(r"(sse4|avx|fma|f16c|amx)")
    return {
        "cpu": fields.get("model name", platform.machine()),
        "cpu_id": [fields.get(name, "") for name in ("vendor_id", "cpu family", "model", "stepping")],
        "cpu_features": [flag for flag in fields.get("flags", "").split() if wanted.match(flag)],
        "caches": _caches(),
        "cores": len(cores()),
        "os": _os_name(),
        "kernel": platform.release(),
        "compiler": _first_line("c++", "--version"),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "load_before": os.getloadavg()[0],
    }
