"""Data whose classes depend on a group of images to a chosen degree, as in Hall et al. (2022)."""
