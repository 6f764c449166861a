"""Dify's own surface, beyond what the smoke asks: each check still judges a row of the guide."""
