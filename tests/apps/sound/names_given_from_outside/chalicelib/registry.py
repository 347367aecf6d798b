"""What is here is put here by others."""
