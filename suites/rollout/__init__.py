"""The guide's other tables: from prerequisites to FAQ."""
