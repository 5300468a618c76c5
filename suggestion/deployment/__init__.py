"""Container images, and what a cluster needs to know of them."""
