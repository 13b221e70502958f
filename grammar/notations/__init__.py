"""What constraints are written in: regular expressions, EBNF, choices; read into rules."""
