"""Runs clang-tidy, by the checks in .clang-tidy, over the sources of a build's library.

usage: tidy.py CLANG_TIDY BUILD_FOLDER TARGET WORK_FOLDER

The build compiles each source for several libraries; here it is looked at as the one of TARGET has it.
"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys

WORKERS = 2  # as tests/analysis/CMakeLists.txt tells ctest


def main():
    clang_tidy, build, target, work = sys.argv[1:]
    entries = json.loads((pathlib.Path(build) / "compile_commands.json").read_text())
    ours = [entry for entry in entries if f"CMakeFiles/{target}.dir/" in entry["command"]]
    if not ours:
        sys.exit(f"no source of {target} in {build}/compile_commands.json")
    pathlib.Path(work).mkdir(parents=True, exist_ok=True)
    (pathlib.Path(work) / "compile_commands.json").write_text(json.dumps(ours))

    def look_at(file):
        return subprocess.run(
            [clang_tidy, "--quiet", "-p", work, file], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    files = [entry["file"] for entry in ours]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(look_at, files))
    failed = [(file, result) for file, result in zip(files, results) if result.returncode != 0]
    for file, result in failed:
        # Without a finding there is an error of its own, which it tells elsewhere.
        print(f"{file}:\n{result.stdout or result.stderr}")
    print(f"{len(files)} sources, {len(failed)} with findings")
    sys.exit(1 if failed else 0)


main()
