"""Model architectures and the loader that fills them from a folder on disk."""
