"""Each import contract is seen to fail on a planted violation: a contract that cannot fail guards nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [
        ("Rooms: imports go down only", "kernel/clock.py", "import remit.policy.decide"),
        ("Rooms: imports go down only", "vault/service.py", "import remit.tokens.check"),
        ("Rooms: imports go down only", "newroom/__init__.py", ""),
        ("The SDK imports nothing of the server", "sdk/token.py", "import remit.keys.jose"),
        ("The runner imports nothing of the server", "runner/tokens.py", "import remit.keys.jose"),
        ("Inside a room: http > service > adapters > ports > model", "freezes/model.py", "import remit.freezes.sql"),
        ("Rules do no I/O", "policy/decide.py", "import time"),
    ],
)
def test_a_planted_violation_breaks_the_contract(tmp_path: Path, contract: str, file: str, line: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    planted = tmp_path / "src" / "remit" / file
    planted.parent.mkdir(exist_ok=True)
    with planted.open("a", encoding="utf-8") as text:
        text.write(f"\n{line}\n")
    done = subprocess.run(
        [LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contract} BROKEN" in done.stdout or f"{contract}: BROKEN" in done.stdout
