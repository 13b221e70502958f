"""The engine in a process of its own: frames over a Unix socket, the process, and a client that is a backend."""
