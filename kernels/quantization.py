"""Quantization: what weights may be rounded to."""

from typing import Literal

Quantization = Literal["int8"]
"""`int8`: weights of linear layers as integers of -127 to 127 with a scale for each output, which changes answers."""
