"""Guessing what comes next, so that one forward pass makes several tokens; no guess changes an answer."""
