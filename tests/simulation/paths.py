"""Puts what tests share on the path of the scripts of this folder; for tests, pytest does so."""

import sys
from pathlib import Path

SUPPORT = Path(__file__).parents[1] / "support"
sys.path.insert(1, str(SUPPORT))
