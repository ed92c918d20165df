"""Users' own images: folders of image files, or .npz files; groups of images from a CSV file."""
