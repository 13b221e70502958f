"""The Responses API: create, get, cancel, delete, the items of a conversation, and its stream of events."""
