"""Without a device the kernels run in triton's interpreter, which must be chosen before a kernel is imported."""

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
