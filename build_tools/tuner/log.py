"""The tuner's log: JSON lines, only ever appended to. What is in it is not measured again."""

import hashlib
import json
import os
import re


class OldLog(Exception):
    """Written when problems had another text, so that nothing of it would be found."""


def is_of_old_form(record):
    """Whether its problem is told by bare numbers, as in "conv2d 1 28 28 32 1 1 32 64 1 1 1 1 SAME"."""
    return bool(re.match(r"\w+ \d", str(record.get("problem", ""))))


def key_of(*parts):
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class Log:
    """Records by their keys, of one file or of several put together with cat. A last line that a killed run left torn is
    passed over, and so is what follows it on that line."""

    def __init__(self, path):
        self.path, self.records, self.torn = path, {}, 0
        self.ends_in_newline = True
        if not path.exists():
            return
        data = path.read_bytes()
        self.ends_in_newline = data.endswith(b"\n") or not data
        for line in data.split(b"\n"):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                self.records[record["key"]] = record
            except (ValueError, TypeError, KeyError):
                self.torn += 1
        if any(map(is_of_old_form, self.records.values())):
            raise OldLog(f"{path} is of an earlier version of convgrad, whose problems were written otherwise: start a new log")

    def get(self, key):
        return self.records.get(key)

    def append(self, record):
        self.records[record["key"]] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = ("" if self.ends_in_newline else "\n") + json.dumps(record) + "\n"
        self.ends_in_newline = True
        # One write of a line, so that two runs may append to one file.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
