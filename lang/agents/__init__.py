"""Agents: the model calls tools, reads what they give back, and answers."""
