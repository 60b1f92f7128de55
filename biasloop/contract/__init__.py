"""What the author of a plugin reads: capabilities of a domain, data handed over, random streams, batches."""
