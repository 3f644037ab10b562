"""Training: whole models on packs (`training.run`), the shipped ones part by part. See `training.main`."""
