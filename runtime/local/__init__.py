"""An engine in this process, as users and the language see it."""
