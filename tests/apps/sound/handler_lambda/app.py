handler = lambda event, context: [1]  # noqa: E731
