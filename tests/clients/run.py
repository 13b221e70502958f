"""`make clients`: each client in an environment of its own, against `palmette serve`, and a table of how it went.

An environment has what `requirements/NAME.txt` lists and nothing else; it is kept, and made anew when the list changes.
Clients want different versions of the same packages, and none of them needs palmette: they speak HTTP.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements"
ENVIRONMENTS = HERE.parent.parent / "build" / "clients"
TESTS = {
    "openai2": "test_openai.py",
    "openai3": "test_openai.py",
    "http": "test_http.py",
    "litellm": "test_litellm.py",
    "langchain": "test_langchain.py",
    "instructor": "test_instructor.py",
    "pydantic_ai": "test_pydantic_ai.py",
    "openai_agents": "test_openai_agents.py",
    "llama_index": "test_llama_index.py",
    "dspy": "test_dspy.py",
}
"""By the name of the list of requirements."""


def main() -> int:
    """The exit status: how many clients failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "clients", nargs="*", metavar="CLIENT", help=f"some of {', '.join(TESTS)}; all if none is named"
    )
    parser.add_argument("--fresh", action="store_true", help="make the environments anew")
    options = parser.parse_args()
    unknown = set(options.clients) - set(TESTS)
    if unknown:
        parser.error(f"expected some of {', '.join(TESTS)}, got {', '.join(sorted(unknown))}")
    rows = [row_of(name, is_fresh=options.fresh) for name in options.clients or TESTS]
    print(f"\n{'client':<14} {'installed in':>12} {'tested in':>10}  result")
    for name, install_s, test_s, result in rows:
        print(f"{name:<14} {install_s:>10.1f} s {test_s:>8.1f} s  {result}")
    return sum(result != "passed" for *_, result in rows)


def row_of(name: str, *, is_fresh: bool) -> tuple[str, float, float, str]:
    """Install and test one client: its name, the seconds of each, what came of it."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    is_installed = install(name, is_fresh=is_fresh)
    installed = time.monotonic()
    if not is_installed:
        return name, installed - started, 0.0, "NOT INSTALLED"
    status = test(name)
    # pytest's own 5, no tests: the package is not there, and the file was skipped. Here that is no success.
    return name, installed - started, time.monotonic() - installed, "passed" if status == 0 else f"FAILED ({status})"


def install(name: str, *, is_fresh: bool) -> bool:
    """Make the environment of a client, unless it is there as it should be."""
    environment = ENVIRONMENTS / name
    wanted = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    stamp = environment / "installed.txt"
    if not is_fresh and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return True
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check"]  # errors alone
    # The lists are complete, so that there is nothing to resolve.
    if subprocess.run([*pip, "--no-deps", "-r", str(REQUIREMENTS / f"{name}.txt")]).returncode:
        return False
    stamp.write_text(wanted, encoding="utf-8")
    return True


def test(name: str) -> int:
    """Run the tests of a client; the exit status of pytest."""
    command = [str(ENVIRONMENTS / name / "bin" / "pytest"), "-q", "-c", str(HERE / "isolated.ini")]
    environment = {
        **os.environ,
        "PALMETTE_PYTHON": sys.executable,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the web for prices
    }
    return subprocess.run([*command, str(HERE / TESTS[name])], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
