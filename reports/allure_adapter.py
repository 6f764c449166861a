"""Collects verdicts in the controller."""
