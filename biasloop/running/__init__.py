"""What drives runs: the engine of one run, studies of many, `generate`, and measuring stored runs again."""
