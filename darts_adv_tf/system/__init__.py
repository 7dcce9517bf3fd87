"""Errors with exit statuses, atomic files, signals, devices and machines."""
