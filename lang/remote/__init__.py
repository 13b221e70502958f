"""Programs over HTTP: a backend that is a palmette server, and what the two say to each other."""
