"""What was found and packaged, told to people and programs."""
