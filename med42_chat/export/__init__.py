"""A conversation as a document: one tree of what stands on paper, and a small writer for each format."""
