"""new_id: names for responses and their items."""

import secrets


def new_id(prefix: str) -> str:
    """A name nobody can guess: 128 random bits."""
    return f"{prefix}_{secrets.token_hex(16)}"
