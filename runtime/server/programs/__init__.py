"""Programs over HTTP: registered, run, and gone on with on live branches."""
