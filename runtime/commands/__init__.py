"""The commands of the command line, one a file; each adds its arguments to the parser and does its work."""
