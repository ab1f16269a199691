"""What a user sees while a training runs."""
