"""Figures: what they show as numbers, how they are laid out and drawn."""
