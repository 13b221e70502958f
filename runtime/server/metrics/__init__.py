"""What the server counts and times, and how Prometheus reads it."""
