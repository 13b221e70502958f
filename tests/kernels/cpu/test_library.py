"""Finding a compiler, building once, and what happens where nothing can be built."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from instruction_sets import SUPPORTED

from palmette.kernels.cpu import library
from palmette.kernels.cpu.compiler import CannotCompile, CCompiler, cache_folder, find_compiler
from palmette.kernels.cpu.library import cpu_kernels
from palmette.runtime.cli import main

needs_compiler = pytest.mark.skipif(not SUPPORTED, reason="no C compiler")


@pytest.fixture
def fresh() -> Iterator[None]:
    """What was found before is forgotten, before and after."""
    caches = (cpu_kernels, library.load_library, library._best_instruction_set)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def fake_compiler(folder: Path, text: str) -> Path:
    path = folder / "cc"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "one.c"
    path.write_text("int one(void) { return 1; }\n")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "palmette" / "kernels"


def test_without_a_compiler_torch_serves(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    found = cpu_kernels("auto")
    assert found.library is None
    assert found.reason == "no C compiler: expected cc or gcc or clang on the path; install one, or set CC"


def test_a_compiler_that_fails_is_named(
    fresh: None, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_compiler(tmp_path, '[ "$1" = --version ] && echo fake 1 && exit 0\necho no such luck >&2\nexit 3')
    monkeypatch.setenv("CC", str(path))
    found = cpu_kernels("auto")
    assert found.library is None
    assert found.reason == f"{path} failed with status 3: no such luck"
    assert list(cache.iterdir()) == []


def test_a_compiler_that_does_not_run_is_named(fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cc"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))
    assert f"{path} does not run" in cpu_kernels("auto").reason


def test_what_is_built_is_no_library(fresh: None, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'for each; do [ "$before" = -o ] && echo nonsense > "$each"; before="$each"; done'
    monkeypatch.setenv("CC", str(fake_compiler(tmp_path, text)))
    assert "cannot be loaded" in cpu_kernels("auto").reason


def test_it_can_be_switched_off(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALMETTE_CPU_KERNELS", "off")
    assert library.cpu_library() is None
    assert cpu_kernels("off").reason == "switched off by PALMETTE_CPU_KERNELS"


def test_a_wrong_choice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected auto, off or one of avx512bf16, .*, got .sse9."):
        cpu_kernels("sse9")


@needs_compiler
def test_an_instruction_set_can_be_asked_for(fresh: None) -> None:
    for each in SUPPORTED:
        found = cpu_kernels(each.value)
        assert found.library is not None
        assert found.library.instruction_set is each
    best = cpu_kernels("auto").library
    assert best is None or best.instruction_set is SUPPORTED[0]


@needs_compiler
def test_it_is_built_once(source: Path, cache: Path) -> None:
    compiler = find_compiler(os.environ)
    first = compiler.build("one", [source], (), ())
    assert first.parent == cache
    built = first.stat().st_mtime_ns
    assert compiler.build("one", [source], (), ()) == first
    assert first.stat().st_mtime_ns == built
    assert [path.name for path in cache.iterdir()] == [first.name]


@needs_compiler
def test_what_it_is_built_of_decides_its_name(source: Path, cache: Path, tmp_path: Path) -> None:
    compiler = find_compiler(os.environ)
    header = tmp_path / "one.h"
    header.write_text("\n")
    paths = [compiler.build("one", [source], [header], ())]
    header.write_text("\n\n")
    paths.append(compiler.build("one", [source], [header], ()))
    paths.append(compiler.build("one", [source], [header], ["-DONE"]))
    paths.append(CCompiler(compiler.command, "another version").build("one", [source], [header], ["-DONE"]))
    source.write_text("int one(void) { return 2; }\n")
    paths.append(compiler.build("one", [source], [header], ["-DONE"]))
    assert len(set(paths)) == 5


@needs_compiler
def test_builds_at_the_same_time_agree(source: Path, cache: Path) -> None:
    compiler = find_compiler(os.environ)
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: compiler.build("one", [source], (), ()), range(4)))
    assert [path.name for path in cache.iterdir()] == [path.name for path in paths]


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "palmette" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}) != folder
    folder.chmod(0o700)
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}) == folder


def test_where_the_cache_is_no_folder_another_is_used(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    folder = cache_folder({"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert folder.is_dir()
    assert tmp_path not in folder.parents


def test_the_compiler_is_asked_for_by_cc(tmp_path: Path) -> None:
    path = fake_compiler(tmp_path, "echo fake 7; exit 0")
    assert find_compiler({"CC": f"{path} -m64", "PATH": ""}) == CCompiler((str(path), "-m64"), "fake 7")
    with pytest.raises(CannotCompile, match="expected no-such-cc on the path"):
        find_compiler({"CC": "no-such-cc", "PATH": "/bin"})


def test_env_says_what_serves(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PALMETTE_CPU_KERNELS", "off")
    monkeypatch.setenv("COLUMNS", "400")
    main(["env"])
    assert "PyTorch: switched off by PALMETTE_CPU_KERNELS" in capsys.readouterr().out
    monkeypatch.setenv("PALMETTE_CPU_KERNELS", "baseline")
    main(["env"])
    assert ("C for baseline" in capsys.readouterr().out) == bool(SUPPORTED)
