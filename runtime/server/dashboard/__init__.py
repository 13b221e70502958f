"""The dashboard: one page that shows the engine at work, and a place to try prompts and constraints."""
