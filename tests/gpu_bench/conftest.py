import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"))


def pytest_terminal_summary(terminalreporter):
    if "CONVGRAD_TALLY_FILE" not in os.environ:
        return
    with open(os.environ["CONVGRAD_TALLY_FILE"], "a") as tally:
        skipped = terminalreporter.stats.get("skipped", [])
        reasons = "".join(f"; {report.longrepr[2]}" for report in skipped)  # "Skipped: why"
        tally.write(f"{'gpu_bench':27} tests passed: {len(terminalreporter.stats.get('passed', []))}{reasons}\n")
