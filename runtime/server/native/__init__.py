"""The native face: what SGLang and vLLM serve beside OpenAI's endpoints, and decisions."""
