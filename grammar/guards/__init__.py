"""Guards: what a grammar cannot say of a JSON document, checked value by value as tokens close them."""
