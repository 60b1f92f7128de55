"""Tables for people, and for files."""
