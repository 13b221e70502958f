"""CCompiler: the system's C compiler, and the folder in which what it made is kept."""

import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("cc", "gcc", "clang")
_TIME_LIMIT_S = 180
_MAX_MESSAGE_LINES = 6

# No contraction: where a product is added, the sources say whether it is rounded in between, so that a result does not
# depend on what the compiler makes of a loop.
_FLAGS = (
    *("-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-fPIC", "-pthread", "-shared"),
)


class CannotCompile(Exception):
    """There is no compiler, or it fails; the message says which and why."""


@dataclass(frozen=True)
class CCompiler:
    """A command that compiles C, and what it says it is."""

    command: tuple[str, ...]
    version: str

    def build(self, name: str, sources: Sequence[Path], headers: Iterable[Path], flags: Sequence[str]) -> Path:
        """The shared library of `sources`, made now or found in the cache.

        Its file is named by a hash of the sources, the headers, the compiler and the flags, and comes into the folder
        whole, by a rename, so that processes may build it at the same time. Raises: CannotCompile.
        """
        flags = (*_FLAGS, *flags)
        digest = hashlib.sha256("\0".join((*self.command, self.version, *flags)).encode())
        for path in sorted((*sources, *headers)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        folder = cache_folder(os.environ)
        target = folder / f"{name}-{digest.hexdigest()[:24]}.so"
        if target.is_file():
            return target
        handle, made = tempfile.mkstemp(prefix=f".{name}-", suffix=".so", dir=folder)
        os.close(handle)
        try:
            self._run([*flags, "-o", made, *map(str, sources), "-lm"])
            Path(made).chmod(0o700)
            Path(made).replace(target)
        except OSError as error:
            raise CannotCompile(f"cannot write {target}: {error.strerror}") from error
        finally:
            Path(made).unlink(missing_ok=True)
        return target

    def _run(self, arguments: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                [*self.command, *arguments], capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CannotCompile(f"{self.command[0]} took more than {_TIME_LIMIT_S} seconds") from error
        except OSError as error:
            raise CannotCompile(f"{self.command[0]} does not run: {error.strerror}") from error
        if done.returncode:
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[:_MAX_MESSAGE_LINES])
            raise CannotCompile(f"{self.command[0]} failed with status {done.returncode}: {said}")


def find_compiler(environment: Mapping[str, str]) -> CCompiler:
    """The command in $CC, else the first of cc, gcc and clang on the path. Raises: CannotCompile."""
    given = tuple(shlex.split(environment.get("CC", "")))
    path = environment.get("PATH")
    names = given[:1] or _NAMES
    found = next((each for name in names if (each := shutil.which(name, path=path))), None)
    if found is None:
        raise CannotCompile(f"no C compiler: expected {' or '.join(names)} on the path; install one, or set CC")
    command = (found, *given[1:])
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCompile(f"{found} does not run: {error}") from error
    return CCompiler(command, (done.stdout or done.stderr).partition("\n")[0].strip())


def cache_folder(environment: Mapping[str, str]) -> Path:
    """$XDG_CACHE_HOME/palmette/kernels (~/.cache by default), else a folder of this user's where temporary ones are.

    Libraries are loaded from it, so a folder that others may write to is not used.
    """
    base = environment.get("XDG_CACHE_HOME")
    chosen = (
        Path(base)
        if base and Path(base).is_absolute()
        else Path(environment.get("HOME") or "~").expanduser() / ".cache"
    )
    for folder in (chosen / "palmette" / "kernels", Path(tempfile.gettempdir()) / f"palmette-kernels-{os.getuid()}"):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_private(folder) and os.access(folder, os.W_OK | os.X_OK):
                return folder
        except OSError:
            continue  # read-only, or not a folder: the next will do
    return Path(tempfile.mkdtemp(prefix="palmette-kernels-"))


def _is_private(folder: Path) -> bool:
    found = folder.lstat()
    is_own_folder = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return is_own_folder and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
