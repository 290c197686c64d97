"""build_tools/tune on a Dask cluster: scheduler and workers are processes of their own, started as a user does."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from running import ROOT, of_kind


class Cluster:
    def __init__(self, run):
        self.run, self.processes = run, []
        log = run.folder / "scheduler.txt"
        self.start(["--start-scheduler", "0"], log)
        self.address = self.wait_for(lambda: re.search(r"Scheduler at:\s+(\S+)", log.read_text()))[1]

    def start(self, options, log, **environment):
        command = [ROOT / "build_tools/tune", *options]
        with log.open("w") as output:
            # A session of its own, so that it can be killed with its nanny and all that it started.
            self.processes.append(subprocess.Popen([str(word) for word in command], stdout=output, stderr=output,
                                                   start_new_session=True, env={**self.run.environment(), **environment}))
        return self.processes[-1]

    def start_worker(self, hardware, name, **environment):
        log = self.run.folder / f"{name}.txt"
        process = self.start(["--worker", self.address, "--hardware", hardware], log, **environment)
        self.wait_for(lambda: "Registered to" in log.read_text())
        return process

    def wait_for(self, condition):
        while not (answer := condition()):
            assert all(process.poll() is None for process in self.processes)
            time.sleep(0.02)
        return answer

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(run):
    started = Cluster(run)
    yield started
    started.stop()


def test_a_worker_that_dies_costs_one_candidate(run, cluster):
    runs = run.folder / "runs_of_the_victim.txt"
    victim = cluster.start_worker("here", "victim", FAKE_MEASURE_RUNS=str(runs), FAKE_MEASURE_SECONDS="1")
    cluster.start_worker("here", "other")
    words = run.command("--scheduler", cluster.address, "--budget", "1h", "--trials", "12", "--limit", "2")
    tuner = subprocess.Popen([str(word) for word in words], env=run.environment(), text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    cluster.processes.append(tuner)
    # It is killed while it measures a candidate: that takes it a second.
    cluster.wait_for(lambda: runs.exists() and sum(" " in line for line in runs.read_text().splitlines()) == 2)
    os.killpg(victim.pid, signal.SIGKILL)
    output, errors = tuner.communicate(timeout=120)
    assert tuner.returncode == 0, output + errors
    assert "on 2 worker(s) of tcp://" in output
    trials = of_kind(run.records(), "trial")
    lost = [trial for trial in trials if trial.get("error", {}).get("kind") == "lost"]
    assert len(lost) == 1, lost
    assert len(of_kind(run.records(), "baseline")) == 2 and len(trials) == 24
    # Both measured; the other also what was left.
    assert len(run.runs.read_text().splitlines()) > 14
    assert all(record["hardware"]["name"] == "here" and record["hardware"]["cpu"] for record in trials)

    found = run.found()
    if found:
        run.rows.unlink()
    replay = run.replay()
    assert replay.returncode == 0, replay.stdout + replay.stderr
    assert run.found() == found
    assert re.findall(r"\[.*tried.*", replay.stdout) == re.findall(r"\[.*tried.*", output)


def test_without_a_worker_of_the_hardware_it_says_how_to_start_one(run, cluster):
    cluster.start_worker("another", "another")
    done = run.tune("--scheduler", cluster.address)
    assert done.returncode != 0 and not run.log.exists()
    assert f"no worker at {cluster.address} announces the hardware here (they announce another)" in done.stderr, done.stderr
    assert f"build_tools/tune --worker {cluster.address} --hardware here" in done.stderr


def test_a_cluster_that_is_not_there_is_named(run):
    done = run.tune("--scheduler", "nowhere")
    assert done.returncode != 0 and "--scheduler is 'nowhere', expected the address of a Dask scheduler" in done.stderr, done.stderr


def python(interpreter, code):
    return subprocess.run([interpreter, "-B", "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "build_tools")})


@pytest.mark.parametrize("facts, text", [
    ({"processor": "riscv64", "cpu": ["Me", 6, 7], "l2_bytes": 2}, "the worker tcp://b is a riscv64, but the measuring program of this machine is"),
    ({"cpu": ["Me", 6, 8]}, "two workers announce my_cpu but have different CPUs or caches: tcp://a is"),
    ({"cpu": ["Me", 6, 7], "l2_bytes": 1}, "two workers announce my_cpu but have different CPUs or caches: tcp://a is"),
])
def test_workers_of_other_cpus_are_refused(python_of_tuner, facts, text):
    code = f"""
import platform
from tuner.workers import Worker, Workers
workers = object.__new__(Workers)
workers.hardware, workers.known = "my_cpu", {{Worker("tcp://a", "1"): {{"processor": platform.machine(), "cpu": ["Me", 6, 7], "l2_bytes": 2}}}}
workers.check_facts(Worker("tcp://b", "2"), {{"processor": platform.machine(), **{json.dumps(facts)}}})
"""
    done = python(python_of_tuner, code)
    assert done.returncode != 0 and text in done.stderr, done.stderr


@pytest.mark.parametrize("newcomer, said", [("busy", ""), ("another CPU", "passed over: two workers announce my_cpu")])
def test_a_newcomer_does_not_end_what_others_do(python_of_tuner, newcomer, said):
    code = f"""
import types
from tuner import workers as module
module.PATIENCE = 0
workers = object.__new__(module.Workers)
old, new = module.Worker("tcp://a", "1"), module.Worker("tcp://b", "2")
facts = {{"processor": module.platform.machine(), "cpu": ["Me", 6, 7]}}
workers.hardware, workers.known, workers.later, workers.refused = "my_cpu", {{old: facts}}, {{}}, set()
workers.announced = lambda: {{old: {{"my_cpu": 1}}, new: {{"my_cpu": 1}}}}
asked = []
def submit(job, worker):
    asked.append(worker)
    return types.SimpleNamespace(done=lambda: {newcomer!r} != "busy", cancel=lambda: None)
workers.submit, workers.result = submit, lambda future: {{**facts, "cpu": ["Me", 6, 8]}}
assert workers.alive() == [old] and workers.alive() == [old]
assert asked == [new], asked  # once
"""
    done = python(python_of_tuner, code)
    assert done.returncode == 0 and done.stdout.startswith(said), done.stdout + done.stderr
