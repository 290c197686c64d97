"""build_tools/tune as a user runs it, with a generator and a measuring program that stand in for the real ones."""

import collections
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = {"x86_64": "x86_64_avx2", "aarch64": "arm_64_neon"}[platform.machine()]
LAYERS = [{"name": name, "input_hwc": [112, 112, c], "filter_hwio": [1, 1, c, k], "output_hwc": [112, 112, k], "padding": "SAME"}
          for name, c, k in (("narrow", 32, 16), ("wide", 96, 24))]


class Run:
    def __init__(self, folder):
        self.folder = folder
        (folder / "problems.json").write_text(json.dumps({"net": {"layers": LAYERS}}))
        self.log, self.rows = folder / "log.jsonl", folder / "schedules" / TARGET / "here.json"
        self.runs = folder / "runs.txt"

    def command(self, *options, log=None):
        return [ROOT / "build_tools/tune", "--problems", self.folder / "problems.json", "--target", TARGET, "--hardware", "here",
                "--ops", "conv2d_backprop_filter", "--seconds", "0.01", "--limit", "4", "--measure", HERE / "fake_measure",
                "--schedules", self.folder / "schedules", "--log", log or self.log, *options]

    def environment(self, slow=0):
        return {**os.environ, "CONVGRAD_GENERATOR": str(HERE / "fake_generator"), "FAKE_MEASURE_RUNS": str(self.runs),
                "FAKE_MEASURE_SECONDS": str(slow), "COLUMNS": "200"}

    def tune(self, *options, log=None):
        return subprocess.run([str(word) for word in self.command(*options, log=log)], capture_output=True, text=True,
                              env=self.environment())

    def records(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def of_kind(records, kind):
    return [record for record in records if record["kind"] == kind]


def test_what_goes_wrong_is_recorded_and_the_search_goes_on(run):
    # So many trials, not so much time: what they are does not depend on how fast this machine is.
    done = run.tune("--budget", "1h", "--trials", "60", "--report", run.folder / "report")
    assert done.returncode == 0, done.stdout + done.stderr
    trials = of_kind(run.records(), "trial")
    kinds = collections.Counter(t["error"]["kind"] for t in trials if "error" in t)
    assert {"compile", "crash", "timeout", "wrong", "refused"} <= kinds.keys(), kinds
    assert any("a planted kernel that does not compile" in t["error"]["text"] for t in trials if "error" in t)
    good = [t for t in trials if "error" not in t]
    assert len(good) > 10 and all(t["gflops"] > 0 for t in good)
    # No candidate breaks a limit: 16 registers hold no more (32 on ARM).
    registers = json.loads((ROOT / "schedules" / TARGET / "target.json").read_text())["registers"]
    assert all(t["candidate"]["params"]["tile_vectors"] * t["candidate"]["params"]["tile_channels"] < registers for t in trials)
    assert {path.name for path in (run.folder / "report").iterdir()} == {"best_so_far.svg", "gains.svg", "importance.svg"}
    rows = json.loads(run.rows.read_text())
    assert rows["hardware"].keys() == {"vendor", "family", "model"}
    for row in rows["rows"]:
        low, ratio, high = row["provenance"]["time_over_default"]
        assert low <= ratio <= high < 1
        assert row["when"]["min_in_channels"] == row["when"]["max_in_channels"] == 32
        assert row["provenance"]["device"]["name"] == "here" and row["provenance"]["trials"] > 5


def test_a_killed_run_goes_on_and_nothing_is_measured_twice(run):
    process = subprocess.Popen([str(word) for word in run.command("--budget", "1h", "--trials", "24")], env=run.environment(0.05),
                               start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not (run.log.exists() and len(run.log.read_text().splitlines()) > 12):
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = run.log.read_bytes()
    run.log.write_bytes(before.rstrip(b"\n") + b'\n{"key": "torn", "kind": "tri')  # as a write that was cut off leaves it
    done = run.tune()
    assert done.returncode != 0 and "is there already: --resume goes on with it" in done.stderr
    done = run.tune("--budget", "1h", "--trials", "24", "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed over 1 torn line" in done.stdout
    assert run.log.read_bytes().startswith(before.rstrip(b"\n"))  # only appended to
    keys = collections.Counter(record["key"] for record in run.records())
    assert max(keys.values()) == 1
    measured = collections.Counter(line for line in run.runs.read_text().splitlines() if " " in line)
    trials = of_kind(run.records(), "trial")
    # Once for each trial, but for the one that was being measured when the run was killed; duels repeat.
    assert sum(1 for count in measured.values() if count == 2) <= 1
    resumed = json.loads(run.rows.read_text()) if run.rows.exists() else None

    # A replay finds the same, with neither compiler nor measuring program.
    if run.rows.exists():
        run.rows.unlink()
    run.runs.unlink()
    environment = {**run.environment(), "PATH": "/nowhere"}
    python = ROOT / "build/tune_env/bin/python3"
    words = [python, "-B", ROOT / "build_tools/tune.py", *run.command("--replay")[1:], "--build", run.folder / "build"]
    replay = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=environment)
    assert replay.returncode == 0, replay.stdout + replay.stderr
    assert not run.runs.exists()
    assert (json.loads(run.rows.read_text()) if run.rows.exists() else None) == resumed
    assert f"{len([t for t in trials if ' 32 1 1 32 16 ' in t['problem']])} tried" in replay.stdout


def test_two_logs_make_one(run):
    logs = []
    for name in ("narrow", "wide"):
        logs.append(run.folder / f"{name}.jsonl")
        done = run.tune("--trials", "8", "--layers", name, "--dry-run", log=logs[-1])
        assert done.returncode == 0, done.stdout + done.stderr
    run.log.write_bytes(b"".join(log.read_bytes() for log in logs))
    done = run.tune("--replay", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[2/2] wide" in done.stdout
    for log in logs:
        name = log.stem
        tried = len([r for r in map(json.loads, log.read_text().splitlines()) if r["kind"] == "trial"])
        assert f"{name} backprop_filter: {tried} tried" in done.stdout


def test_ctrl_c_keeps_what_there_is(run):
    process = subprocess.Popen([str(word) for word in run.command("--budget", "1h")], env=run.environment(0.02),
                               start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        deadline = time.time() + 120
        while not (run.log.exists() and len(run.log.read_text().splitlines()) > 8):
            assert process.poll() is None and time.time() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0 and "interrupted" in output, output
    tried = len(of_kind(run.records(), "trial"))
    replay = run.tune("--replay", "--dry-run")
    assert replay.returncode == 0, replay.stdout + replay.stderr
    assert f"{tried} tried" in replay.stdout and "the log ends here" in replay.stdout


def test_a_larger_budget_goes_on(run):
    for options in (["--trials", "8"], ["--trials", "16", "--budget", "1h", "--resume"]):
        done = run.tune("--layers", "narrow", "--dry-run", *options)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(of_kind(run.records(), "trial")) == 16
    # Of the same time or less nothing more is asked for.
    assert "16 tried" in run.tune("--layers", "narrow", "--dry-run", "--resume").stdout


def test_a_search_without_a_win_leaves_the_rows_of_before(run):
    run.rows.parent.mkdir(parents=True)
    old = {"op": "conv2d_backprop_filter", "dtype": "f32", "algorithm": "direct", "accepts": {"filter": "1x1", "stride": "1x1"},
           "params": {"tile_vectors": 2}, "provenance": {"problem": "another"}}
    run.rows.write_text(json.dumps({"hardware": {"vendor": "Me", "family": 6, "model": 7}, "rows": [old]}))
    done = run.tune("--trials", "4")
    assert done.returncode != 0 and "is of the CPU ('Me', 6, 7)" in done.stderr, done.stderr
    assert json.loads(run.rows.read_text())["rows"] == [old]


def test_real_kernels(run):
    """The real generator and measuring program, for a few seconds: kernels of both gradients are right and timed."""
    command = [ROOT / "build_tools/tune", "--problems", run.folder / "problems.json", "--layers", "narrow", "--target", TARGET,
               "--hardware", "here", "--seconds", "0.02", "--budget", "8s", "--schedules", run.folder / "schedules", "--log", run.log]
    environment = {**os.environ, "CONVGRAD_GENERATOR": os.environ.get("CONVGRAD_TUNE_GENERATOR", "")}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    if "this machine lacks" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    for op in ("conv2d_backprop_input", "conv2d_backprop_filter"):
        trials = [t for t in of_kind(run.records(), "trial") if t["candidate"]["op"] == op]
        good = [t for t in trials if "error" not in t]
        assert good, trials
        assert not [t for t in trials if "error" in t and t["error"]["kind"] in ("wrong", "crash")]


@pytest.mark.parametrize("options, text", [
    (["--budget", "soon"], "--budget is 'soon', expected a time such as 90s, 30m or 2h"),
    (["--target", "pentium"], "--target is 'pentium', expected one of"),
    (["--ops", "conv3d"], "--ops has 'conv3d', expected some of"),
    (["--hardware", "default"], "--hardware is 'default', expected a name"),
    (["--layers", "("], "--layers is '(', no regular expression"),
    (["--layers", "nothing"], "no layer is left to tune"),
    (["--replay"], "--replay: there is no log"),
])
def test_bad_arguments_are_named(run, options, text):
    done = run.tune(*options)
    assert done.returncode != 0 and text in done.stderr, done.stderr
    assert not run.log.exists() and not run.rows.exists()


def test_a_new_hardware_needs_neither_cpp_nor_cmake(run):
    """A file beside the target's rows is all: tables have its rows, which only that CPU takes."""
    folder = run.folder / "targets" / "copy"
    shutil.copytree(ROOT / "schedules" / TARGET, folder)
    generic = [row for row in json.loads((folder / "default.json").read_text())["rows"] if row["algorithm"] == "generic"]
    row = {**generic[-1], "variant": "tuned", "when": {"min_in_channels": 7}}
    (folder / "my_cpu.json").write_text(json.dumps({"hardware": {"vendor": "Me", "family": 6, "model": 7}, "rows": [row]}))
    done = subprocess.run([sys.executable, ROOT / "build_tools/kernel_rows.py", "--target", "copy", "--target-folder", folder.parent,
                           "--hardware", "my_cpu", "--processor", {"x86_64": "x86-64", "aarch64": "arm-64"}[platform.machine()],
                           "--output", run.folder / "tables"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'CONVGRAD_HARDWARE(my_cpu, "Me", 6, 7)' in (run.folder / "tables/hardware.inc").read_text()
    rows = (run.folder / "tables/rows_conv2d_backprop_filter.inc").read_text().splitlines()
    assert "my_cpu, CONVGRAD_WHEN(min_in_channels, 7)" in rows[0] and "any" in rows[-1]


def test_help():
    done = subprocess.run([ROOT / "build_tools/tune", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--budget TIME" in done.stdout
