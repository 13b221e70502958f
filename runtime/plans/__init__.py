"""Programs inside the engine: plans, as they are checked and run."""
