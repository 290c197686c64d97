"""What build_tools/compare_kernels does once its tools are there: digests of two commits' kernels, side by side."""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# As Halide names them, and whether the targets of GPUs are compiled with it: their own code is the same with each.
PROCESSORS = {"x86-64": True, "arm-64": False}
# What is not the kernel's code: a compiler's name, and what Halide tells of the arguments.
NOT_CODE = ("-R", ".comment", "-R", ".data.rel.ro", "-R", ".rela.data.rel.ro", "-R", ".text.kernel_metadata", "-R",
            ".rela.text.kernel_metadata")


class CompareError(Exception):
    pass


def targets_of(source, processor):
    """The library's targets for a processor, and those of its tests."""
    of_processor = (f"{processor}-", "{host}") if PROCESSORS[processor] else (f"{processor}-",)
    return sorted(path.parent.name for folder in ("schedules", "tests/targets") for path in (source / folder).glob("*/target.json")
                  if json.loads(path.read_text())["halide_target"].startswith(of_processor))


def run(command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise CompareError(f"{' '.join(map(str, command[:6]))}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout


class Commit:
    """A commit's sources, generator and kernels, in a folder of its own."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        try:
            self.hash = run(["git", "-C", ROOT, "rev-parse", "--verify", f"{name}^{{commit}}"]).strip() if name else None
        except CompareError:
            raise CompareError(f"{name!r} names no commit")
        self.folder = options.build / (self.hash[:12] if self.hash else "working_tree")

    def digests(self):
        """{kernel: digest}"""
        kept = self.folder.with_suffix(".json")
        if self.hash and kept.exists():
            return json.loads(kept.read_text())
        source = self.source()
        generator = self.generator(source)
        jobs = [job for processor in PROCESSORS for job in self.kernels(source, processor)]
        digests = {}
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            done = pool.map(lambda job: (job[0], self.digest(generator, *job)), jobs)
            for count, (kernel, digest) in enumerate(done, 1):
                digests[kernel] = digest
                print(f"\r{self.name or 'working tree'}: {count} of {len(jobs)} kernels", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if self.hash:
            kept.write_text(json.dumps(digests, indent=0) + "\n")
        return digests

    def source(self):
        if not self.hash:
            return ROOT
        source = self.folder / "source"
        if not source.exists():
            source.mkdir(parents=True)
            archive = subprocess.run(["git", "-C", str(ROOT), "archive", self.hash], capture_output=True, check=True)
            subprocess.run(["tar", "x", "-C", str(source)], input=archive.stdout, check=True)
        return source

    def generator(self, source):
        build = self.folder / "build"
        halide = self.options.halide
        run(["cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
             f"-DHalide_DIR={halide}/lib64/cmake/Halide", f"-DHalideHelpers_DIR={halide}/lib64/cmake/HalideHelpers",
             f"-DPython3_EXECUTABLE={sys.executable}"])
        run(["cmake", "--build", build, "--target", "convgrad_generator", "-j", self.options.jobs])
        return build / "generators/convgrad_generator"

    def kernels(self, source, processor):
        """[(kernel, generator's arguments)] by the commit's own reader of rows."""
        tables = self.folder / "tables" / processor
        targets = targets_of(source, processor)
        hardware = sorted({path.stem for target in targets for path in (source / "schedules" / target).glob("*.json")}
                          - {"target", "default"})
        run([sys.executable, source / "build_tools/kernel_rows.py", *(f"--target={name}" for name in targets),
             *(f"--hardware={name}" for name in hardware), "--target-folder", source / "tests/targets", "--processor", processor,
             "--output", tables])
        text = (tables / "kernels.cmake").read_text()
        values = dict(re.findall(r"^set\((\w+) ?(.*)\)$", text, re.M))
        return [(name, values[f"{name}_GENERATOR"],
                 [f"target={values[f'{name}_HALIDE_TARGET']}", *values[f"{name}_PARAMS"].replace(name, "kernel").split()])
                for name in values["CONVGRAD_KERNELS"].split()]

    def digest(self, generator, kernel, name, arguments):
        with tempfile.TemporaryDirectory() as folder:
            run([generator, "-g", name, "-n", "kernel", "-f", "kernel", "-e", "object", "-o", folder,
                 f"scratch_file={folder}/scratch", f"launch_file={folder}/launch", *arguments])
            made = pathlib.Path(folder) / "kernel.o"
            # A GPU's code is among what the second hides.
            if not re.search("cuda|opencl", arguments[0]):
                run(["objcopy" if "x86-64" in arguments[0] else "aarch64-linux-gnu-objcopy", "--strip-unneeded", *NOT_CODE, made])
            scratch = pathlib.Path(folder, "scratch")
            return hashlib.sha256(made.read_bytes() + scratch.read_bytes()).hexdigest()


def compare(old, new, only):
    """Prints what differs; the number of kernels of `old` that are not found."""
    names = {name: digest for name, digest in old.items() if re.search(only, name)}
    by_digest = collections.defaultdict(list)
    for name, digest in new.items():
        by_digest[digest].append(name)
    lost = [name for name, digest in names.items() if digest not in by_digest]
    added = [name for name, digest in new.items() if digest not in set(old.values())]
    renamed = sum(name not in by_digest[digest] for name, digest in names.items() if digest in by_digest)
    for title, listed in (("not found", lost), ("new", added)):
        for name in listed:
            print(f"{title}: {name}")
    print(f"{len(names)} kernels: {len(names) - len(lost)} are the same machine code ({renamed} under another name), "
          f"{len(lost)} not found; {len(added)} new")
    return len(lost)


def main():
    parser = argparse.ArgumentParser(prog="build_tools/compare_kernels")
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW", nargs="?")
    parser.add_argument("--only", default="", metavar="REGEX")
    for name in ("--halide", "--build"):
        parser.add_argument(name, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        commits = Commit(options.old, options), Commit(options.new, options)
        old, new = (commit.digests() for commit in commits)
    except CompareError as error:
        sys.exit(f"compare_kernels: {error}")
    sys.exit(1 if compare(old, new, options.only) else 0)


if __name__ == "__main__":
    main()
