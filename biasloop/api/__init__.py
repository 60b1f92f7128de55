"""biasloop in Python: what `import biasloop` offers is defined here, a file a topic (`docs/python.md`)."""
