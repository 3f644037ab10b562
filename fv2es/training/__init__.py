"""Training of the shipped checkpoint, each modality on its own data. See `training.main`."""
