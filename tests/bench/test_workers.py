import os
import pathlib
import sys
import time

import pytest
from workers import Worker, WorkerError

CPUS = list(os.sched_getaffinity(0))[:1]


def worker(code, seconds=30):
    return Worker([sys.executable, "-c", code], CPUS, {}, seconds)


def test_requests_are_answered():
    made = worker(
        'import json, os, sys; print(\'{"name": "echo"}\', flush=True)\n'
        "for line in sys.stdin:\n"
        "    print(json.dumps({**json.loads(line), 'cpus': len(os.sched_getaffinity(0))}), flush=True)"
    )
    assert made.hello == {"name": "echo"}
    assert made.ask("time", seconds=1) == {"do": "time", "seconds": 1, "cpus": 1}
    made.close()


def stopped(process):
    """Whether the kernel has stopped every thread of it: a signal takes a moment to be there."""
    tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def test_a_worker_that_waits_does_not_run():
    made = worker(
        "import json, os, sys, threading; print('{}', flush=True)\n"
        "def spin():\n"
        "    while True: pass\n"
        "threading.Thread(target=spin, daemon=True).start()\n"
        "for line in sys.stdin: print(json.dumps({'process': os.getpid()}), flush=True)"
    )
    for _ in range(3):
        process = made.ask("time")["process"]
        while not stopped(process):
            time.sleep(0.01)
    made.close()


def test_an_error_is_the_peers_own_text():
    made = worker(
        "import sys; print('{}', flush=True); sys.stdin.readline()\n"
        "print('{\"error\": \"no such layout\"}', flush=True)"
    )
    with pytest.raises(WorkerError, match="no such layout"):
        made.ask("prepare")
    made.close()


@pytest.mark.parametrize(
    "code, said",
    [
        ("raise SystemExit('cannot load libthat.so')", "ended with status 1: cannot load libthat.so"),
        ("print('Welcome!')", "it printed b'Welcome!'"),
        ('print(\'{"error": "no CPU device"}\')', "no CPU device"),
        ("import time; time.sleep(60)", "no answer in 1 s"),
    ],
    ids=["dies", "babbles", "refuses", "hangs"],
)
def test_a_peer_that_does_not_start(code, said):
    with pytest.raises(WorkerError, match=said):
        worker(code, seconds=1 if "sleep" in code else 30)


def test_a_peer_that_dies_on_a_request():
    made = worker("import sys; print('{}', flush=True); sys.stdin.readline(); sys.exit('out of memory')")
    with pytest.raises(WorkerError, match="out of memory"):
        made.ask("prepare")
    with pytest.raises(WorkerError, match="ended"):
        made.ask("prepare")
    made.close()
