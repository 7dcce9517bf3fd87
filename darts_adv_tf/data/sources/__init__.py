"""Where images come from: one file a source, each of which finds the cases of a folder."""
