"""What a command shows on a terminal: progress and closing tables."""
