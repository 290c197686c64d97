"""What build_tools/tune --worker and --start-scheduler do: Dask's own commands, with the options that the tuner needs."""

import argparse
import os
import re
import sys

import machine


def main():
    parser = argparse.ArgumentParser(prog="build_tools/tune", allow_abbrev=False)
    job = parser.add_mutually_exclusive_group(required=True)
    job.add_argument("--worker")
    job.add_argument("--start-scheduler", type=int, nargs="?", const=8786)
    parser.add_argument("--hardware")
    options = parser.parse_args()
    dask = [sys.executable, "-m", "distributed.cli.dask_worker" if options.worker else "distributed.cli.dask_scheduler"]
    if options.worker is None:
        os.execv(sys.executable, [*dask, "--port", str(options.start_scheduler), "--no-dashboard"])
    name = options.hardware or machine.default_name(machine.cpu_id())
    if not re.fullmatch(r"\w+", name):
        sys.exit(f"tune: --hardware is {name!r}, expected a name of letters, digits and _")
    print(f"a worker of the hardware {name}", flush=True)
    os.execv(sys.executable, [*dask, options.worker, "--nworkers", "1", "--nthreads", "1", "--resources", f"{name}=1",
                              "--no-dashboard"])


if __name__ == "__main__":
    main()
