"""The guide's verification checklist, CHK-01 to CHK-08."""
