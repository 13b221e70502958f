"""The language: programs in Python, independent of any model."""
