"""A user's own images: a folder of pictures, or .npz files; groups of images from a CSV file."""
