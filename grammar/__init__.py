"""What may come next: constraint specs, their compilers, and the matchers that walk them."""
