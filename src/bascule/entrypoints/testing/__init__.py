"""What the pytest plugin `bascule.testing` stands on: a bridge and a chain inside the test's own process."""
