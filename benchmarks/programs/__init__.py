"""The workloads that are programs: one a file, with the same program in palmette and in plain transformers calls."""
