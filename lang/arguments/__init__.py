"""What users pass to primitives and runs: from keywords to checked values."""
