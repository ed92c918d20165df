"""How time and memory grow with images, classes, image size and cells: see run.py."""
