"""Triton kernels for CUDA devices, one operator a file, each with a PyTorch twin in the folder above."""
