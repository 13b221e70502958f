"""Which rows run next: waiting rows and their cached prefixes, the policies that order them, and the scheduler."""
