"""The machine that is measured, as rows name it."""

import os
import pathlib
import re

SYS_CPU = pathlib.Path("/sys/devices/system/cpu")


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
    return {"l1_bytes": cache_bytes(1, 32 * 1024), "l2_bytes": cache_bytes(2, 512 * 1024)}


def core_to_measure_on():
    """The last CPU of this process: interrupts and other work are mostly on the first."""
    return max(os.sched_getaffinity(0))
