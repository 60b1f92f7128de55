"""biasloop: what happens to bias when models are trained on what earlier models labelled or generated."""

__version__ = "0.1.0"
