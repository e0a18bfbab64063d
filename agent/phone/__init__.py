"""What a phone is: its facts, its root, its calls, the scripts that run on it."""
