"""Plans drawn as trees, and what they take at worst."""
