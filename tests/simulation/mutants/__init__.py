"""Small faults of the engine, each a patch of a line, and what runs the simulation against them."""
