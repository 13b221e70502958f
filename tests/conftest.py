"""What holds for all tests: Hypothesis draws the same examples in every run, so that a run says something of a change.

New ones are drawn by `HYPOTHESIS_PROFILE=random make test`, and by `make soak`.
"""

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("random", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
