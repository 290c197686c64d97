"""Runs build_tools/tune as a user does, with a generator and a measuring program that stand in for the real ones."""

import json
import os
import pathlib
import platform
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / "build/tune_env/bin/python3"
TARGET = {"x86_64": "x86_64_avx2", "aarch64": "arm_64_neon"}[platform.machine()]
LAYERS = [{"name": name, "input_hwc": [112, 112, c], "filter_hwio": [1, 1, c, k], "output_hwc": [112, 112, k], "padding": "SAME"}
          for name, c, k in (("narrow", 32, 16), ("wide", 96, 24))]


class Run:
    def __init__(self, folder):
        self.folder = folder
        self.layers(*LAYERS)
        self.log, self.rows = folder / "log.jsonl", folder / "schedules" / TARGET / "here.json"
        self.runs = folder / "runs.txt"

    def layers(self, *layers):
        (self.folder / "problems.json").write_text(json.dumps({"net": {"layers": layers}}))

    def command(self, *options, log=None):
        return [ROOT / "build_tools/tune", "--problems", self.folder / "problems.json", "--target", TARGET, "--hardware", "here",
                "--ops", "conv2d_backprop_filter", "--seconds", "0.01", "--limit", "1", "--measure", HERE / "fake_measure",
                "--schedules", self.folder / "schedules", "--log", log or self.log, *options]

    def environment(self, slow=0):
        return {**os.environ, "CONVGRAD_GENERATOR": str(HERE / "fake_generator"), "FAKE_MEASURE_RUNS": str(self.runs),
                "FAKE_MEASURE_SECONDS": str(slow), "COLUMNS": "200"}

    def tune(self, *options, log=None):
        return subprocess.run([str(word) for word in self.command(*options, log=log)], capture_output=True, text=True,
                              env=self.environment())

    def real_tune(self, *options):
        """With the real generator and measuring program."""
        command = [ROOT / "build_tools/tune", "--problems", self.folder / "problems.json", "--target", TARGET, "--seconds", "0.02",
                   "--hardware", "here", "--schedules", self.folder / "schedules", "--log", self.log, *options]
        environment = {**os.environ, "CONVGRAD_GENERATOR": os.environ.get("CONVGRAD_TUNE_GENERATOR", ""), "COLUMNS": "200"}
        return subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)

    def replay(self, *options):
        """Without a compiler, a measuring program or a cluster. What rows it wrote is in self.rows."""
        words = [ENVIRONMENT, "-B", ROOT / "build_tools/tune.py", *self.command("--replay", *options)[1:], "--build",
                 self.folder / "build"]
        return subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              env={**self.environment(), "PATH": "/nowhere"})

    def found(self):
        return json.loads(self.rows.read_text()) if self.rows.exists() else None

    def records(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]


def of_kind(records, kind):
    return [record for record in records if record["kind"] == kind]
