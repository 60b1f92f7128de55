"""Feedback rules: what the next round trains on."""
