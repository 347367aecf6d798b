handler = lambda event, context: [1]
