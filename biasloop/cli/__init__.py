"""The command line: one file a subcommand; parses, calls, prints. No logic."""
