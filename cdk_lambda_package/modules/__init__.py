"""What Python modules say, read without running them; and what `import` would find on Lambda."""
