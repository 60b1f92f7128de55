"""Estimators of scikit-learn: fitted by it, kept as named arrays, predicted with by NumPy alone."""
