"""Compiling what strangers send: in a process of its own that can be ended, within limits of time and memory."""
