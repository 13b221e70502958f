"""Tool calls and tagged parts: texts that are free in places and held to a constraint in others."""
