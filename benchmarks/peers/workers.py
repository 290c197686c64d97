"""A side's process: requests and answers as worker.h has them."""

import json
import os
import select
import signal
import subprocess
import tempfile


class WorkerError(Exception):
    pass


class Interrupts:
    """While this is entered, Ctrl-C raises KeyboardInterrupt where an answer is waited for, and nowhere else. Python's
    own comes between any two steps, also where subprocess has just taken the lock of a process, which it then never
    gives back: whoever waits for that process waits for ever."""

    _came = None  # what can be read once there was one; None: none is looked for

    def __enter__(self):
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:  # nor is it here: a shell's job in the background
            Interrupts._came, self._tell = os.pipe()
            signal.signal(signal.SIGINT, lambda number, frame: os.write(self._tell, b"!"))

    def __exit__(self, *_):
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._before)
            os.close(self._tell)
            os.close(Interrupts._came)
            Interrupts._came = None

    @classmethod
    def wait_for(cls, stream, seconds):
        """Whether it can be read within so many seconds."""
        readable = select.select([stream] if cls._came is None else [stream, cls._came], [], [], seconds)[0]
        if cls._came in readable:
            raise KeyboardInterrupt
        return bool(readable)


class Worker:
    """Stopped between requests: some peers' threads wait for work by spinning, beside the side that is being timed."""

    def __init__(self, command, cpus, environment, seconds=600):
        """cpus: as many as it has threads; it runs on no others. seconds: how long an answer may take."""
        self._seconds = seconds
        self._errors = tempfile.TemporaryFile()
        self._waiting = b""
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env={**os.environ, **environment},
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
            start_new_session=True,
        )  # an interrupt is the driver's to handle
        try:
            self.hello = self._answer()
        except (WorkerError, KeyboardInterrupt):
            self.close()
            raise
        self._signal(signal.SIGSTOP)

    def ask(self, what, **request):
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps({"do": what, **request}).encode() + b"\n")
        except OSError:
            raise self._ended() from None
        try:
            return self._answer()
        finally:
            self._signal(signal.SIGSTOP)

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()

    def _signal(self, number):
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _answer(self):
        line = self._line()
        try:
            answer = json.loads(line)
        except ValueError:
            raise WorkerError(f"it printed {line[:200]!r}") from None
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _line(self):
        while b"\n" not in self._waiting:
            if not Interrupts.wait_for(self._process.stdout, self._seconds):
                self._process.kill()
                raise WorkerError(f"no answer in {self._seconds} s")
            part = os.read(self._process.stdout.fileno(), 1 << 16)
            if not part:
                raise self._ended()
            self._waiting += part
        line, self._waiting = self._waiting.split(b"\n", 1)
        return line

    def _ended(self):
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return WorkerError(f"its process ended with status {status}" + (f": {lines[-1]}" if lines else ""))
