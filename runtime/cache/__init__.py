"""Paged KV memory and the radix tree that shares it."""
