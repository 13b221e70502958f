"""Languages as data: character sets, expressions over them, and named rules."""
