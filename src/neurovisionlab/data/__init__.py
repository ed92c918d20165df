"""Images, and their processing before they reach a model."""
