import os
import pathlib
import signal
import sys
import threading
import time

import pytest
from workers import Interrupts, Worker, WorkerError

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


ECHO = "import sys; print('{}', flush=True)\nfor line in sys.stdin: print('{}', flush=True)"


class InterruptedLock:
    """Of a process; Ctrl-C comes whenever it was just taken."""

    def __init__(self, lock):
        self._lock = lock

    def acquire(self, *arguments):
        taken = self._lock.acquire(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        return taken

    __enter__ = acquire

    def release(self):
        self._lock.release()

    def __exit__(self, *_):
        self._lock.release()


def test_an_interrupt_at_the_worst_moment(monkeypatch):
    """It is heard at the next question, and the worker's process can still be ended."""
    with Interrupts():
        made = worker(ECHO)
        monkeypatch.setattr(made._process, "_waitpid_lock", InterruptedLock(made._process._waitpid_lock))
        with pytest.raises(KeyboardInterrupt):
            made.ask("time")
        made.close()
        assert made._process.returncode == -signal.SIGKILL


def test_an_interrupt_while_a_worker_computes():
    with Interrupts():
        made = worker("import sys, time; print('{}', flush=True); sys.stdin.readline(); time.sleep(600)", seconds=600)
        presses = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        presses.start()
        with pytest.raises(KeyboardInterrupt):
            made.ask("time")
        presses.join()
        made.close()


def test_keys_that_are_not_for_this_process():
    """As in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            made = worker(ECHO)
            os.kill(os.getpid(), signal.SIGINT)
            assert made.ask("time") == {}
            made.close()
    finally:
        signal.signal(signal.SIGINT, before)
