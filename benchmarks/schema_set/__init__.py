"""JSON Schemas as people write them for agents, web interfaces, records and configurations, from trivial to hard."""
