"""The smoke part of the `gpu` tests: placement, data, demand, COPS and names of the GPU."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from gpu_session.rows import Rows
from gpu_session.setting import Setting

ROOT = Path(__file__).parents[3]
TESTS = ("placement", "test_machine.py", "data", "cops", "test_demand.py", "test_random_layers.py")


def smoke(setting: Setting, rows: Rows) -> None:
    """Run them in a process of their own; without a GPU the tests of the machine's description."""
    report = rows.path.with_suffix(".xml")
    chosen = TESTS if setting.on_gpu else ("test_machine.py",)
    command = [
        *(sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider"),
        *("-m", "gpu" if setting.on_gpu else "not gpu", f"--junit-xml={report}"),
        *(str(ROOT / "tests" / "cops_core" / name) for name in chosen),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not report.exists():
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        rows.add("tests", f"pytest ended with {done.returncode}: {' '.join(last)}", status="failed")
        return
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [
        case.get("name")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    words = f"{len(cases) - len(failed) - skipped} passed, {len(failed)} failed, {skipped} skipped"
    rows.add("tests", words, len(failed), "wrong" if failed or not cases else "ok")
    for name in failed:
        rows.add(f"test {name}", "failed", status="wrong")
