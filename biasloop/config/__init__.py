"""From TOML to the typed experiment: preset files, overrides, validation."""
