"""JSON Schema: read, audited, merged, and turned into rules."""
