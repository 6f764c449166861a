"""What a run leaves: the terminal's summary, the conformance report, Allure results."""
