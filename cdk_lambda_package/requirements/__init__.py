"""What is required and what it came to, as values; and what can be read of requirements and locks without resolving."""
