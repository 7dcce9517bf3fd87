"""HTML pages that hold everything they show and load nothing."""
