"""Dify's own surface, beyond what the smoke asks."""
