"""What is asserted, by area."""
