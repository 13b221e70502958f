"""Requests in, tokens out: engine, scheduler, cache, sampler and models."""
