"""WeightFiles: the safetensors of a model folder, checked against the tensors a model expects."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import CorruptWeights, ModelNotFound, UnsupportedArchitecture

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
_MAX_SHOWN = 8


class WeightFiles:
    """The tensors of a folder by name, read one at a time from memory-mapped files.

    Only safetensors are read: the other formats are pickles, which can run code.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = _find(folder)
        self._files = {}
        self._file_of: dict[str, Path] = {}
        for path in self._paths:
            try:
                file = safe_open(path, framework="pt")
            except (SafetensorError, OSError) as error:
                raise CorruptWeights(
                    f"{path}: expected a whole safetensors file, got {path.stat().st_size} bytes that cannot be read "
                    f"({error}); download it again"
                ) from error
            self._files[path] = file
            self._file_of.update((name, path) for name in file.keys())  # noqa: SIM118, the file is no mapping

    def check(self, expected: Mapping[str, tuple[int, ...]], ignored: frozenset[str] = frozenset()) -> None:
        """Raise `CorruptWeights` unless the files hold exactly the tensors `expected`, by name and shape.

        Tensors in `ignored` and stored rotary frequencies may be there or not.
        """
        missing = [name for name in expected if name not in self._file_of]
        surplus = [
            name
            for name in self._file_of
            if name not in expected and name not in ignored and not name.endswith("rotary_emb.inv_freq")
        ]
        where = ", ".join(str(path) for path in self._paths[:2]) + (", ..." if len(self._paths) > 2 else "")
        if missing or surplus:
            raise CorruptWeights(
                f"{where}: expected {len(expected)} tensors, got {len(self._file_of)}; "
                f"missing: {_shorten(missing)}; unknown: {_shorten(surplus)}; "
                "do config.json and weights belong together?"
            )
        wrong = []
        for name, shape in expected.items():
            found = self._files[self._file_of[name]].get_slice(name)
            if tuple(found.get_shape()) != shape:
                wrong.append(f"{name}: expected {list(shape)}, got {list(found.get_shape())}")
            if found.get_dtype() not in _FLOATS:
                raise UnsupportedArchitecture(
                    f"{self._file_of[name]}: {name}: expected one of {', '.join(_FLOATS)}, got {found.get_dtype()}"
                )
        if wrong:
            raise CorruptWeights(f"{where}: {_shorten(wrong, '; ')}; do config.json and weights belong together?")

    def read_into(self, name: str, target: Tensor) -> None:
        """Copy a tensor, cast to the dtype and moved to the device of `target`."""
        target.copy_(self.read(name))

    def read(self, name: str) -> Tensor:
        """A tensor as it was saved."""
        tensor = self._files[self._file_of[name]].get_tensor(name)
        assert isinstance(tensor, Tensor), type(tensor)
        return tensor


def _find(folder: Path) -> list[Path]:
    if (folder / _INDEX).is_file():
        return _read_index(folder)
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    if pickles:
        raise UnsupportedArchitecture(
            f"{folder}: expected {_SINGLE} or {_INDEX}, got {', '.join(pickles[:3])}; such files are pickles, which "
            "can run code and are not read: save the model as safetensors"
        )
    names = sorted(entry.name for entry in folder.iterdir())[:10]
    raise ModelNotFound(f"{folder}: expected {_SINGLE} or {_INDEX}; the folder has {names}")


def _read_index(folder: Path) -> list[Path]:
    path = folder / _INDEX
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted({str(shard) for shard in names.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptWeights(f"{path}: expected JSON with a weight_map of names to files, got {error!r}") from error
    for shard in shards:
        if Path(shard).name != shard:
            raise CorruptWeights(f"{path}: expected file names in this folder, got {shard!r}")
    missing = [shard for shard in shards if not (folder / shard).is_file()]
    if missing:
        raise CorruptWeights(
            f"{path}: {len(missing)} of {len(shards)} files are missing: {_shorten(missing)}; download them"
        )
    return [folder / shard for shard in shards]


def _shorten(names: list[str], separator: str = ", ") -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return separator.join(names[:_MAX_SHOWN]) + more
