"""What a branch can be asked to do, one operation to a file."""
