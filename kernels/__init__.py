"""The operators a forward pass is made of, one to a file."""
