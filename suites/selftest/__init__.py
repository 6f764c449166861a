"""The suite proven on itself."""
