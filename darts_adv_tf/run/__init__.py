"""From a configuration to a finished work directory."""
