"""What runs a program: from what its branches have pending to a backend, and back to its values."""
