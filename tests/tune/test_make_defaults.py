"""build_tools/make_defaults on logs that are written here."""

import json
import shutil
import subprocess
import sys

import kernel_rows
import pytest
from declarations import ALL_FAMILIES
from running import ROOT
from tuner.log import key_of

TARGET = "x86_64_avx2"
SIZES = {"batch": 1, "groups": 1, "in_height": 1, "in_width": 784, "in_channels": 32, "out_height": 1, "out_width": 784,
         "out_channels": 64}
TEXT = "conv2d_backprop_filter f32 n1 h28 w28 c32 r1x1 k64 s1x1 d1x1 pSAME g1 NHWC"


class Defaults:
    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "schedules" / TARGET, folder / "schedules" / TARGET)
        self.path = folder / "schedules" / TARGET / "default.json"
        self.text = self.path.read_text()
        self.logs = []
        rows = json.loads(self.text)["rows"]
        row = next(row for row in rows if "conv2d_backprop_filter" in row["op"] and row["algorithm"] == "direct"
                   and row["accepts"]["filter"] == "1x1")
        self.incumbent = self.candidate(**row["params"])

    @staticmethod
    def candidate(**params):
        presets = {name: param.preset for name, param in ALL_FAMILIES["filter_direct"].params.items()}
        return {"op": "conv2d_backprop_filter", "algorithm": "direct", "filter": [1, 1], "stride": [1, 1],
                "params": {**presets, **params}, "dtype": "f32"}

    def log(self, hardware, trials, duels=(), incumbent=None, text=TEXT, date="2026-11-24T00:00:00Z",
            **search):
        """`trials`, `duels`: pairs of a candidate and its time over the incumbent's, or None where it failed."""
        incumbent = incumbent or self.incumbent
        about = {"target": TARGET, "hardware": {"name": hardware}, "versions": {"generator": f"of {hardware}"}, "problem": text,
                 "name": "layer", "date": date, "search": {"seconds": 0.1, "seed": 1, "strict": False, **search}}
        key = lambda kind, *rest: key_of(kind, TARGET, hardware, f"of {hardware}", 0.1, text, *rest)
        records = [{"key": key("baseline", incumbent), "kind": "baseline", "candidate": incumbent, "sizes": SIZES, **about}]
        for kind, found in (("trial", trials), ("duel", duels)):
            for candidate, ratio in found:
                said = {"error": {"kind": "crash", "text": ""}} if ratio is None else {"ratio": ratio} if kind == "duel" else {
                    "seconds": {"best": ratio}, "incumbent_seconds": {"best": 1.0}}
                records.append({"key": key(kind, incumbent, candidate), "kind": kind, "candidate": candidate, **said, **about})
        self.logs.append(self.folder / f"{len(self.logs)}.jsonl")
        self.logs[-1].write_text("".join(json.dumps(record) + "\n" for record in records))

    def make(self, *options):
        command = [sys.executable, "-B", ROOT / "build_tools/make_defaults", "--target", TARGET, "--schedules",
                   self.folder / "schedules", *options, *self.logs]
        return subprocess.run([str(word) for word in command], capture_output=True, text=True)


@pytest.fixture
def defaults(tmp_path):
    return Defaults(tmp_path)


BEST_ON_A, BEST_ON_B, GOOD, ONLY_ON_A, FAILS_ON_B = (Defaults.candidate(block_width=width) for width in (5, 7, 9, 11, 13))


def two_hardware(defaults):
    defaults.log("a", [(BEST_ON_A, 0.7), (BEST_ON_B, 0.99), (GOOD, 0.9), (ONLY_ON_A, 0.6), (FAILS_ON_B, 0.65)], [(GOOD, 0.75)])
    defaults.log("b", [(BEST_ON_A, 1.2), (BEST_ON_B, 0.7), (GOOD, 0.8), (FAILS_ON_B, None)])


def test_times_beside_an_older_default_do_not_count_in_whatever_order_logs_are_given(defaults):
    two_hardware(defaults)
    defaults.log("a", [(BEST_ON_A, 0.1)], incumbent=ONLY_ON_A, date="2026-11-23T00:00:00Z")
    done = defaults.make()
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr
    assert json.loads(defaults.path.read_text())["rows"][0]["params"] == GOOD["params"]


def test_the_candidate_that_loses_least_everywhere_gets_a_row(defaults):
    two_hardware(defaults)
    done = defaults.make()
    assert done.returncode == 0, done.stderr
    text = defaults.path.read_text()
    new = json.loads(text)["rows"][0]
    assert new["params"] == GOOD["params"] and new["variant"].count("bw9") == 1
    assert new["when"]["min_in_channels"] == new["when"]["max_in_channels"] == 32 and new["when"]["max_groups"] == 1
    provenance = new["provenance"]
    # By its duel on a, by its trial on b; over the best there, which on a was not timed on b.
    assert provenance["time_over_best"] == {"a": round(0.75 / 0.6, 3), "b": round(0.8 / 0.7, 3)}
    assert provenance["default_over_best"] == {"a": round(1 / 0.6, 3), "b": round(1 / 0.7, 3)}
    assert provenance["candidates"] == 4 and provenance["problem"] == TEXT
    # All else stays, to the byte.
    lines = text.split("\n")
    assert "\n".join(line for line in lines if json.dumps(new) not in line) == defaults.text
    # What the build reads takes it.
    target = kernel_rows.Target(TARGET, [defaults.folder / "schedules"], "x86-64", "linux")
    tables = kernel_rows.Tables()
    tables.add_file(defaults.path, target, "", ("f32",))
    # Once more: the same.
    assert defaults.make().returncode == 0 and defaults.path.read_text() == text


def test_new_times_replace_the_row_of_before(defaults):
    two_hardware(defaults)
    assert defaults.make().returncode == 0
    defaults.logs = []
    defaults.log("a", [(BEST_ON_B, 0.7)], incumbent=GOOD)
    defaults.log("b", [(BEST_ON_B, 0.8)], incumbent=GOOD)
    done = defaults.make()
    assert done.returncode == 0, done.stderr
    rows = json.loads(defaults.path.read_text())["rows"]
    assert rows[0]["params"] == BEST_ON_B["params"] and rows[1:] == json.loads(defaults.text)["rows"]


def test_dry_run_writes_nothing(defaults):
    two_hardware(defaults)
    done = defaults.make("--dry-run")
    assert done.returncode == 0 and json.loads(done.stdout)["params"] == GOOD["params"], done.stderr
    assert defaults.path.read_text() == defaults.text


def test_one_hardware_makes_no_default_unasked(defaults):
    defaults.log("a", [(GOOD, 0.5)])
    done = defaults.make()
    assert done.returncode != 0 and "the logs are of one hardware alone, a: what is good there may be bad elsewhere" in done.stderr
    assert defaults.path.read_text() == defaults.text
    done = defaults.make("--one-hardware")
    assert done.returncode == 0 and "of one hardware alone" in done.stderr
    assert json.loads(defaults.path.read_text())["rows"][0]["provenance"]["hardware"] == ["a"]


def test_what_gains_too_little_or_was_compared_with_another_default_stays_out(defaults):
    defaults.log("a", [(GOOD, 0.98)])
    defaults.log("b", [(GOOD, 0.98)])
    done = defaults.make()
    assert done.returncode == 0 and "no new row" in done.stderr and defaults.path.read_text() == defaults.text
    defaults.logs = []
    defaults.log("a", [(GOOD, 0.5)])
    defaults.log("b", [(GOOD, 0.5)], incumbent=BEST_ON_A)
    done = defaults.make()
    assert "the logs are of different defaults" in done.stderr and "no new row" in done.stderr, done.stderr
    defaults.logs = []
    defaults.log("a", [(GOOD, 0.5)], incumbent=BEST_ON_A)
    defaults.log("b", [(GOOD, 0.5)], incumbent=BEST_ON_A)
    done = defaults.make()
    assert "the default of its logs is no longer in" in done.stderr and "no new row" in done.stderr, done.stderr


def test_a_kernel_that_is_there_keeps_its_name(defaults):
    rows = json.loads(defaults.text)["rows"]
    row = next(row for row in rows if row["op"] == "conv2d_backprop_filter" and row["algorithm"] == "direct"
               and row["accepts"]["filter"] == "1x1" and defaults.candidate(**row["params"]) != defaults.incumbent)
    for hardware in "ab":
        defaults.log(hardware, [(defaults.candidate(**row["params"]), 0.5)])
    assert defaults.make().returncode == 0
    assert json.loads(defaults.path.read_text())["rows"][0].get("variant") == row.get("variant")


@pytest.mark.parametrize("text, error", [
    ("", "has no times of"),
    (json.dumps({"key": "1", "kind": "trial", "target": TARGET}), "is of an older tuner"),
    (json.dumps({"key": "1", "kind": "trial", "target": TARGET, "problem": "conv2d 1 28 28 32 1 1 32 64 1 1 1 1 SAME"}),
     "is of an earlier version of convgrad, whose problems were written otherwise: start a new log"),
])
def test_bad_logs_are_named(defaults, text, error):
    defaults.logs = [defaults.folder / "log.jsonl"]
    done = defaults.make()
    assert done.returncode != 0 and f"there is no log {defaults.logs[0]}" in done.stderr
    defaults.logs[0].write_text(text)
    done = defaults.make()
    assert done.returncode != 0 and error in done.stderr, done.stderr


def test_strict_searches_and_other_targets_count_for_nothing(defaults):
    defaults.log("a", [(GOOD, 0.5)], strict=True)
    done = defaults.make()
    assert done.returncode != 0 and "only strict searches" in done.stderr, done.stderr
    done = defaults.make("--target", "pentium")
    assert done.returncode != 0 and "--target is 'pentium', expected one of x86_64_avx2" in done.stderr, done.stderr


def test_help():
    done = subprocess.run([ROOT / "build_tools/make_defaults", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "lose least" in done.stdout
