"""What a round leaves: its record, and what it adds to the ledger."""
