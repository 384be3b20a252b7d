"""report: lines of what was checked and measured, as they come; a file of them; how many passed."""
import csv
import math
import pathlib

FIELDS = ("verdict", "name", "size", "time_us", "achieved", "unit", "ratio", "floor", "torch_us", "torch_ratio")


def short(value):
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


class Report:
    """A row passes if it is right, and where a floor holds, if its ratio to the ceiling reaches it."""

    def __init__(self, path):
        self.passed = self.failed = 0
        self._file = open(path, "w", newline="") if path else None
        self._csv = csv.writer(self._file) if path else None
        if self._csv:
            self._csv.writerow(FIELDS)

    def section(self, title):
        print(f"# {title}", flush=True)

    def row(self, name, is_right=True, why="", **facts):
        ratio, floor = facts.get("ratio"), facts.get("floor")
        is_fast = ratio is None or floor is None or (math.isfinite(ratio) and ratio >= floor)
        verdict = "PASS" if is_right and is_fast else "FAIL"
        self.passed += verdict == "PASS"
        self.failed += verdict == "FAIL"
        if not is_right and not why:
            why = "the values differ"
        facts = {**facts, "verdict": verdict, "name": name}
        words = [short(facts.get(field)) for field in FIELDS]
        print(" | ".join(words) + (f" | {why}" if why else ""), flush=True)
        if self._csv:
            self._csv.writerow(words)
            self._file.flush()

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return self.failed


def out_path(name):
    """A file of results: in $OUT where that is a folder."""
    import os
    folder = os.environ.get("OUT")
    return str(pathlib.Path(folder) / name) if folder and pathlib.Path(folder).is_dir() else None
