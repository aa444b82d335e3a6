"""Pure Python that every room may use: no I/O, no settings, no word of the business."""
