"""How JSON values are written: numbers, strings, white space."""
