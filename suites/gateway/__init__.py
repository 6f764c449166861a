"""The vendor audit: what the OpenAI-compatible wire must show, with base URL and key alone."""
