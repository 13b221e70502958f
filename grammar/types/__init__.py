"""Python types as constraints: their schemas, and values back from JSON text."""
