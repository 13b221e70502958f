"""Quantization: what weights may be rounded to."""

from typing import Literal

Quantization = Literal["int8", "fp8"]
"""Weights of linear layers in 8 bits with a scale for each output, which changes answers.

`int8`: integers of -127 to 127; `fp8`: float8_e4m3fn (Micikevicius et al. 2022, arXiv:2209.05433).
"""
