"""PyTorch's own OpenMP runtime, so that kernels run on the threads that PyTorch has instead of beside them."""

import ctypes
import re
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_RUNTIME = re.compile(r"/lib(gomp|iomp5|omp)[^/]*\.so[^/]*$")


def find_openmp() -> int | None:
    """The address of GOMP_parallel in the OpenMP runtime that this process has loaded with torch; None without one."""
    try:
        lines = _MAPS.read_text().splitlines()
    except OSError:
        return None
    paths = {fields[5] for line in lines if len(fields := line.split(maxsplit=5)) == 6 and _RUNTIME.search(fields[5])}
    # torch's own first: other libraries may have brought a runtime of theirs, with threads of its own.
    for path in sorted(paths, key=lambda each: ("/torch" not in each, each)):
        function = getattr(ctypes.CDLL(path), "GOMP_parallel", None)
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p).value
    return None
