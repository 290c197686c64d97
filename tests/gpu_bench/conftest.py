import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benchmarks" / "gpu"), str(ROOT / "tests" / "support")]


def pytest_terminal_summary(terminalreporter):
    import tally

    skipped = terminalreporter.stats.get("skipped", [])
    reasons = "".join(f"; {report.longrepr[2]}" for report in skipped)  # "Skipped: why"
    tally.add("gpu_bench", f"tests passed: {len(terminalreporter.stats.get('passed', []))}{reasons}")
