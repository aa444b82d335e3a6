"""How the outside touches us; thin. None imports another; all may import faces.http."""
