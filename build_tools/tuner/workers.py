"""Measures on the workers of a Dask cluster that announce a hardware's name as a resource.

A job is given to one worker that is free, and to no other: a worker that dies costs what it was measuring, and Dask has
nothing that it could try elsewhere. What is sent is the text of machine.py, the measuring program and the kernels, for the
worker's Python to run; so a worker needs `distributed`, and nothing of convgrad."""

import base64
import collections
import contextlib
import json
import logging
import pathlib
import platform
import subprocess
import time

import distributed
from ask_convgrad import ToolError, expect
from tuner import machine
from tuner.machine import Failed

logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it would say is in the errors raised here

PATIENCE = 10  # seconds for a worker to appear, as one does that its nanny starts again
ASK_AGAIN = 60  # seconds until a worker is asked again that was busy
MOMENT = 0.5  # seconds between two looks at the workers
CONNECT_SECONDS = 10
HOW_TO_START = "build_tools/tune --worker {address} --hardware {name}"

# Dask's name for a worker, and what is another after a restart at the same address.
Worker = collections.namedtuple("Worker", "address folder")


class Workers:
    """Stands in for measuring.Here. `parallel`: how many workers there were when last seen."""

    def __init__(self, address, hardware, program, target_name, limit):
        self.address, self.hardware = address, hardware
        self.program, self.target_name, self.limit = program, target_name, limit
        self.script = pathlib.Path(machine.__file__).read_text()
        self.known = {}  # Worker -> its facts
        self.later = {}  # Worker that did not tell its facts -> when to ask it again
        self.refused = set()
        try:
            self.client = distributed.Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TypeError) as error:
            raise ToolError(f"--scheduler is {address!r}, expected the address of a Dask scheduler, such as "
                            f"tcp://10.0.0.1:8786: {error}")
        self.check_versions()
        self.wait_for_one()

    @property
    def parallel(self):
        return max(1, len(self.known))

    def facts(self):
        return {key: value for key, value in next(iter(self.known.values())).items() if key != "processor"}

    def how_to_start(self):
        return HOW_TO_START.format(address=self.address, name=self.hardware)

    def check_versions(self):
        """Dask's protocol is another from version to version."""
        versions = self.client.get_versions()
        others = {"the scheduler": versions["scheduler"], **versions["workers"]}
        for who, said in others.items():
            expect(said["packages"]["distributed"] == distributed.__version__, f"--scheduler: {who} has distributed "
                   f"{said['packages']['distributed']}, this machine {distributed.__version__}: they need to be the same")

    def announced(self):
        """{Worker: its resources} of all there are."""
        try:
            workers = self.client.sync(self.client.scheduler.identity)["workers"]
        except Exception as error:  # a client that gave up makes it AttributeError and others
            raise ToolError(f"the scheduler at {self.address} is gone ({error}); --resume goes on with what is in the log")
        return {Worker(address, said["local_directory"]): said["resources"] for address, said in workers.items()}

    def alive(self):
        """The workers of this hardware; their facts are known."""
        there = [worker for worker, resources in self.announced().items() if resources.get(self.hardware, 0) >= 1]
        self.known = {worker: self.known[worker] for worker in there if worker in self.known}
        now = time.monotonic()
        new = {worker: self.submit({}, worker) for worker in there
               if worker not in self.known and worker not in self.refused and self.later.get(worker, 0) <= now}
        for worker, future in new.items():
            # One that measures for another tuner answers when that is done.
            while not future.done() and worker in self.announced() and time.monotonic() < now + PATIENCE:
                time.sleep(MOMENT / 10)
            if not future.done() and worker in self.announced():
                future.cancel()
                self.later[worker] = time.monotonic() + ASK_AGAIN
                continue
            said = self.result(future)
            try:
                if not isinstance(said, Failed):
                    self.check_facts(worker, said)
                    self.known[worker] = said
                elif worker in self.announced():
                    raise ToolError(f"the worker {worker.address} does not work: {said.text}")
            except ToolError as error:
                if not self.known:
                    raise
                print(f"passed over: {error}")  # a newcomer does not end what others do
                self.refused.add(worker)
        return list(self.known)

    def check_facts(self, worker, said):
        here = platform.machine()
        expect(said["processor"] == here, f"the worker {worker.address} is a {said['processor']}, but the measuring program of "
               f"this machine is for {here}: run build_tools/tune on a {said['processor']}")
        for other, facts in self.known.items():
            expect(facts == said, f"two workers announce {self.hardware} but have different CPUs or caches: {other.address} "
                   f"is {facts}, {worker.address} is {said}; start one of them with another --hardware")

    def wait_for_one(self):
        until = time.monotonic() + PATIENCE
        while not self.alive():
            if time.monotonic() > until:
                names = sorted({name for resources in self.announced().values() for name in resources})
                raise ToolError(f"no worker at {self.address} announces the hardware {self.hardware} "
                                f"({'they announce ' + ', '.join(names) if names else 'there is none that announces any'}); "
                                f"on such a machine run\n  {self.how_to_start()}\n--resume goes on with what is in the log")
            time.sleep(MOMENT)

    def submit(self, job, worker):
        return self.client.submit(subprocess.run, ["python3", "-c", self.script], input=json.dumps(job), capture_output=True,
                                  text=True, workers=[worker.address], allow_other_workers=False,
                                  resources={self.hardware: 1}, pure=False)

    def result(self, future):
        """What machine.work answered, or Failed: lost."""
        if not future.done():
            future.cancel()
            return Failed("lost", "this worker is gone")
        try:
            done = future.result(timeout=CONNECT_SECONDS)
        except Exception as error:  # also what a dying worker makes Dask raise, which is of many kinds
            return Failed("lost", str(error) or repr(error))
        finally:
            future.cancel()
        if done.returncode != 0:
            return Failed("lost", f"python3 on the worker ended with {done.returncode}: {done.stderr.strip()[-400:]}")
        return json.loads(done.stdout)

    def job_of(self, job):
        names = {library: f"library{index}" for index, (_, library, _) in enumerate(job.built)}
        content = lambda path: base64.b64encode(pathlib.Path(path).read_bytes()).decode()
        return {"program": content(self.program), "libraries": {name: content(library) for library, name in names.items()},
                "arguments": job.arguments(self.target_name), "spec": job.spec(names.get), "limit": self.limit, "runs": job.runs}

    def measure(self, jobs, tries=1):
        """As Here.measure, on all workers at once."""
        waiting = collections.deque((key, tries) for key in jobs)
        running = {}  # Worker -> (key, tries left, future)
        try:
            while waiting or running:
                alive = self.alive()
                if not alive and not running:
                    self.wait_for_one()
                    continue
                for worker, (key, left, future) in list(running.items()):
                    if worker in alive and not future.done():
                        continue
                    del running[worker]
                    said = self.result(future)
                    if isinstance(said, Failed) and left > 1:
                        waiting.append((key, left - 1))
                    elif isinstance(said, Failed):
                        said.text = f"{worker.address}: {said.text}"
                        yield key, said
                    elif "error" in said:
                        yield key, Failed(**said["error"])
                    else:
                        yield key, said["answers"]
                for worker in alive:
                    if waiting and worker not in running:
                        key, left = waiting.popleft()
                        running[worker] = (key, left, self.submit(self.job_of(jobs[key]), worker))
                if running:
                    self.wait([future for _, _, future in running.values()])
        finally:  # interrupted: nobody waits for these
            for _, _, future in running.values():
                with contextlib.suppress(Exception):  # of a client that gave up
                    future.cancel()

    @staticmethod
    def wait(futures):
        """Until one of them is done, but no longer than a moment: a future of a dead worker never is."""
        try:
            distributed.wait(futures, timeout=MOMENT, return_when="FIRST_COMPLETED")
        except (distributed.TimeoutError, distributed.CancelledError):
            pass  # cancelled: the scheduler is gone, which the next look at the workers tells
