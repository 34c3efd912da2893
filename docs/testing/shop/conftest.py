pytest_plugins = ["bascule.testing"]
