"""The HTTP server: OpenAI's endpoints, SGLang's, and programs, over the language's port."""
