"""The guide's rows as data, one YAML file for each of its tables; `fixtures.model.guide` loads them."""
