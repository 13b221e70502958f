"""Text and token ids: the tokenizer and back, chat templates, where a text stops."""
