"""build_tools/tune as a user runs it, with a generator and a measuring program that stand in for the real ones."""

import collections
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time

import declarations
import kernel_rows
import pytest
from ask_convgrad import PROCESSORS
from running import LAYERS, ROOT, TARGET, Run, of_kind
from tuner.machine import cpu_id
from tuner.measuring import spec_line


def test_what_goes_wrong_is_recorded_and_the_search_goes_on(run):
    # So many trials, not so much time: what they are does not depend on how fast this machine is.
    done = run.tune("--layers", "narrow", "--budget", "1h", "--trials", "48", "--report", run.folder / "report")
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
    process = subprocess.Popen([str(word) for word in run.command("--budget", "1h", "--trials", "16")], env=run.environment(0.05),
                               start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (run.log.exists() and len(run.log.read_text().splitlines()) > 12):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = run.log.read_bytes()
    run.log.write_bytes(before.rstrip(b"\n") + b'\n{"key": "torn", "kind": "tri')  # as a write that was cut off leaves it
    done = run.tune()
    assert done.returncode != 0 and "is there already: --resume goes on with it" in done.stderr
    done = run.tune("--budget", "1h", "--trials", "16", "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed over 1 torn line" in done.stdout
    assert run.log.read_bytes().startswith(before.rstrip(b"\n"))  # only appended to
    keys = collections.Counter(record["key"] for record in run.records())
    assert max(keys.values()) == 1
    measured = collections.Counter(line for line in run.runs.read_text().splitlines() if " " in line)
    trials = of_kind(run.records(), "trial")
    # Once for each trial, but for the one that was being measured when the run was killed; duels repeat.
    assert sum(1 for count in measured.values() if count == 2) <= 1
    resumed = run.found()

    # A replay finds the same, with neither compiler nor measuring program.
    if resumed:
        run.rows.unlink()
    run.runs.unlink()
    replay = run.replay()
    assert replay.returncode == 0, replay.stdout + replay.stderr
    assert not run.runs.exists() and run.found() == resumed
    assert f"{len([t for t in trials if ' c32 ' in t['problem']])} tried" in replay.stdout


def test_two_logs_make_one(run):
    logs = []
    for name in ("narrow", "wide"):
        logs.append(run.folder / f"{name}.jsonl")
        done = run.tune("--trials", "4", "--layers", name, "--dry-run", log=logs[-1])
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
        while not (run.log.exists() and len(run.log.read_text().splitlines()) > 8):
            assert process.poll() is None
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
    for options in (["--trials", "4"], ["--trials", "8", "--budget", "1h", "--resume"]):
        done = run.tune("--layers", "narrow", "--dry-run", *options)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(of_kind(run.records(), "trial")) == 8
    # Of the same time or less nothing more is asked for.
    assert "8 tried" in run.tune("--layers", "narrow", "--dry-run", "--resume").stdout


def test_an_exhaustive_search_tries_everything_of_a_grid_once(run):
    run.layers({"name": "narrow", "input_hwc": [5, 5, 3], "filter_hwio": [5, 5, 3, 2], "output_hwc": [5, 5, 2],
                "padding": "SAME"})
    done = run.tune("--exhaustive", "50")
    assert done.returncode == 0, done.stdout + done.stderr
    said = int(re.search(r"narrow backprop_filter: (\d+) candidates, of sizes divided by", done.stdout)[1])
    assert re.search(rf"all together {said} candidates, 0 of them in the log: about \d+:\d\d", done.stdout), done.stdout
    trials = of_kind(run.records(), "trial")
    starts = of_kind(run.records(), "starts")[0]["candidates"]
    tried = [json.dumps(trial["candidate"]) for trial in trials]
    assert len(set(tried)) == len(tried) and said <= len(tried) <= said + len(starts)
    assert re.search(r"today's takes \d\.\d+ times the best's time|none was faster", done.stdout)
    assert re.search(r"today's kernels take \d\.\d+ times the time of the best found \(geometric mean of 1", done.stdout)
    found = run.found()
    if found:
        run.rows.unlink()
    replay = run.replay()
    assert replay.returncode == 0 and f"{len(tried)} tried" in replay.stdout and run.found() == found, replay.stdout + replay.stderr


def test_a_small_space_is_searched_wholly(run):
    run.layers({"name": "tiny", "input_hwc": [1, 1, 1], "filter_hwio": [1, 1, 1, 1], "output_hwc": [1, 1, 1], "padding": "SAME"})
    done = run.tune("--trials", "8", "--dry-run")
    assert done.returncode == 0 and re.search(r"tiny backprop_filter: \d+ candidates, all there are", done.stdout), done.stdout
    first = [trial["candidate"] for trial in of_kind(run.records(), "trial")]
    done = run.tune("--trials", "16", "--dry-run", "--resume", "--budget", "1h")
    assert done.returncode == 0, done.stdout + done.stderr
    both = [trial["candidate"] for trial in of_kind(run.records(), "trial")]
    assert len(both) == 16 and both[:8] == first


def test_a_log_of_problems_in_another_form_is_refused(run):
    record = {"key": "1", "kind": "trial", "problem": "conv2d_backprop_filter 1 112 112 32 1 1 32 16 1 1 1 1 SAME"}
    run.log.write_text(json.dumps(record) + "\n")
    for option in ("--resume", "--replay"):
        done = run.tune(option)
        assert done.returncode != 0
        assert done.stderr == (f"tune: {run.log} is of an earlier version of convgrad, whose problems were written otherwise: "
                               "start a new log\n")


def test_a_log_of_another_tuner_is_named(run):
    run.log.write_text(json.dumps({"key": "1", "kind": "baseline", "problem": "", "hardware": {}, "versions": {}}) + "\n")
    done = run.tune("--replay")
    assert done.returncode != 0 and "is of another version of the tuner" in done.stderr, done.stderr


def test_the_rows_of_other_hardware_are_starts(run):
    run.rows.parent.mkdir(parents=True)
    text = "conv2d_backprop_filter f32 n1 h112 w112 c32 r1x1 k16 s1x1 d1x1 pSAME g1 NHWC"
    row = {"op": "conv2d_backprop_filter", "dtype": "f32", "algorithm": "direct", "accepts": {"filter": "1x1", "stride": "1x1"},
           "params": {"tile_vectors": 1, "tile_channels": 8, "block_vectors": 2, "block_channels": 16, "block_width": 77},
           "provenance": {"problem": text}}
    elsewhere = {"hardware": {"vendor": "Me", "family": 6, "model": 7}, "rows": [row]}
    (run.rows.parent / "elsewhere.json").write_text(json.dumps(elsewhere))
    done = run.tune("--layers", "narrow", "--trials", "4", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert 77 in [candidate["params"]["block_width"] for candidate in of_kind(run.records(), "starts")[0]["candidates"]]


def test_a_search_without_a_win_leaves_the_rows_of_before(run):
    run.rows.parent.mkdir(parents=True)
    old = {"op": "conv2d_backprop_filter", "dtype": "f32", "algorithm": "direct", "accepts": {"filter": "1x1", "stride": "1x1"},
           "params": {"tile_vectors": 2}, "provenance": {"problem": "another"}}
    run.rows.write_text(json.dumps({"hardware": {"vendor": "Me", "family": 6, "model": 7}, "rows": [old]}))
    done = run.tune("--trials", "4")
    assert done.returncode != 0 and "is of the CPU ('Me', 6, 7)" in done.stderr, done.stderr
    assert json.loads(run.rows.read_text())["rows"] == [old]


def test_what_a_person_wrote_of_the_hardware_stays(run):
    """Also a second model, which the same CPU says it is under a hypervisor."""
    run.rows.parent.mkdir(parents=True)
    vendor, family, model = cpu_id()
    about = {"comment": "of a server", "hardware": {"vendor": vendor, "family": family, "model": [model + 1, model]}}
    old = {"op": "conv2d_backprop_filter", "dtype": "f32", "algorithm": "direct", "accepts": {"filter": "1x1", "stride": "1x1"},
           "params": {"tile_vectors": 2}, "provenance": {"problem": "another"}}
    run.rows.write_text(json.dumps({**about, "rows": [old]}))
    done = run.tune("--trials", "12", "--budget", "1h")
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(run.rows.read_text())
    assert old in written["rows"] and {name: written[name] for name in about} == about


SQUARE = {"name": "square", "input_hwc": [56, 56, 64], "filter_hwio": [3, 3, 64, 64], "output_hwc": [56, 56, 64],
          "padding": "SAME"}
MEASURE = ROOT / "build/tune" / TARGET / "probes/convgrad_measure"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real generator and measuring program, for a few trials of a 1x1 and a 3x3 layer; what build_tools/tune said."""
    run = Run(tmp_path_factory.mktemp("real"))
    layers = [layer for layer in LAYERS if layer["name"] == "narrow"] + [SQUARE]
    run.layers(*layers)
    row = {"op": "conv2d_backprop_input", "dtype": "f32", "algorithm": "one_panel",
           "accepts": {"filter": "1x1", "stride": "1x1"},
           "params": {"tile_vectors": 1, "tile_width": 11, "block_vectors": 4, "block_width": 3146, "block_height": 1,
                      "block_reduction": 16},
           "provenance": {"problem": "conv2d_backprop_input f32 n1 h112 w112 c32 r1x1 k16 s1x1 d1x1 pSAME g1 NHWC"}}
    run.rows.parent.mkdir(parents=True)
    elsewhere = {"hardware": {"vendor": "Me", "family": 6, "model": 7}, "rows": [row]}
    (run.rows.parent / "elsewhere.json").write_text(json.dumps(elsewhere))
    done = run.real_tune("--budget", "1h", "--trials", "6")
    return run, done


def skip_where_it_cannot_run(done):
    if "this machine lacks" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr


def test_real_kernels(real):
    """Kernels of both gradients are right and timed."""
    run, done = real
    skip_where_it_cannot_run(done)
    for text in {record["problem"] for record in of_kind(run.records(), "baseline")}:
        trials = [t for t in of_kind(run.records(), "trial") if t["problem"] == text]
        good = [t for t in trials if "error" not in t]
        assert good, trials
        assert not [t for t in trials if "error" in t and t["error"]["kind"] in ("wrong", "crash")]
        assert all(t["tasks"] >= t["incumbent_tasks"] for t in good)
    # What has fewer tasks for other threads is refused before it is timed.
    [few] = [t for t in of_kind(run.records(), "trial") if t["candidate"]["params"].get("block_width") == 3146]
    assert few["error"]["kind"] == "refused" and "task(s), the first kernel" in few["error"]["text"], few


def test_an_input_gradient_by_winograd_is_measured(real):
    """Large enough that its work is cut into slices, which look at a kernel's algorithm and facts."""
    run, done = real
    skip_where_it_cannot_run(done)
    assert "left out" not in done.stdout
    mine = [r for r in run.records() if "square" == r.get("name") and r["candidate"]["op"] == "conv2d_backprop_input"]
    by_winograd = [r for r in mine if r["candidate"]["algorithm"].startswith("winograd") and "error" not in r]
    assert of_kind(mine, "baseline") and by_winograd, mine


def test_doubles(real, run):
    done = run.real_tune("--layers", "narrow", "--dtype", "f64", "--trials", "3", "--ops", "conv2d_backprop_filter")
    skip_where_it_cannot_run(done)
    assert {r["problem"].split()[1] for r in run.records()} == {"f64"}
    good = [t for t in of_kind(run.records(), "trial") if "error" not in t]
    assert good and {t["candidate"]["dtype"] for t in good} == {"f64"}
    assert not [t for t in of_kind(run.records(), "trial") if t.get("error", {}).get("kind") in ("wrong", "crash")]


def compare_facts(lines):
    return subprocess.run([MEASURE, "--facts"], input="".join(lines), capture_output=True, text=True)


def test_facts_that_python_tells_are_those_of_the_librarys_table(real):
    target = kernel_rows.Target(TARGET, [ROOT / "schedules"], PROCESSORS[platform.machine()].halide, "linux")
    tables = kernel_rows.Tables()
    tables.add_file(target.rows_folder / "default.json", target, "", declarations.DTYPES)
    lines = [spec_line(kernel, "no_library", 0) for kernel in tables.kernels.values()]
    done = compare_facts(lines)
    assert done.stdout == f"{len(lines)} kernels, 0 differ from the tables\n" and done.returncode == 0, done.stderr
    wrong = [lines[0], re.sub(r"algorithm=\w+", "algorithm=magic", lines[1])]
    done = compare_facts(wrong)
    assert done.returncode == 1 and f"{wrong[1].split()[2]}: algorithm magic" in done.stdout, done.stdout


@pytest.mark.parametrize("options, text", [
    (["--budget", "soon"], "--budget is 'soon', expected a time such as 90s, 30m or 2h"),
    (["--target", "pentium"], "--target is 'pentium', expected one of"),
    (["--ops", "conv3d"], "--ops has 'conv3d', expected some of"),
    (["--dtype", "f16"], "--dtype is 'f16', expected one of f32, f64"),
    (["--hardware", "default"], "--hardware is 'default', expected a name"),
    (["--exhaustive", "0"], "--exhaustive is 0, expected an integer above 0"),
    (["--scheduler", "tcp://127.0.0.1:1", "--hardware", ""], "--scheduler needs --hardware"),
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
    (folder / "my_cpu.json").write_text(json.dumps({"hardware": {"vendor": "Me", "family": 6, "model": [7, 8]}, "rows": [row]}))
    done = subprocess.run([sys.executable, ROOT / "build_tools/kernel_rows.py", "--target", "copy", "--target-folder", folder.parent,
                           "--hardware", "my_cpu", "--processor", {"x86_64": "x86-64", "aarch64": "arm-64"}[platform.machine()],
                           "--output", run.folder / "tables"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [f'CONVGRAD_HARDWARE(my_cpu, "Me", 6, {model})' for model in (7, 8)]
    assert (run.folder / "tables/hardware.inc").read_text().splitlines() == lines
    rows = (run.folder / "tables/rows_conv2d_backprop_filter.inc").read_text().splitlines()
    assert "my_cpu, CONVGRAD_WHEN(min, in_channels, 7)" in rows[0] and "any" in rows[-1]


def test_help():
    done = subprocess.run([ROOT / "build_tools/tune", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--budget TIME" in done.stdout
