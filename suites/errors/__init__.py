"""The guide's error table, ERR-01 to ERR-10: cause, symptom, fix, gone."""
