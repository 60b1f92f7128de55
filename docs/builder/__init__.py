"""Makes the documentation: the site in `build/site`, and the generated references in `docs/reference`."""
