"""The vendor audit: what the OpenAI-compatible wire must show, with base URL and key alone."""

import pytest

both_transports = pytest.mark.parametrize("transport", ["plain", "streamed"])
"""Judges an answer and its streamed twin, each by itself."""
