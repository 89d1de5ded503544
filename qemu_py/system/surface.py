"""The picture of a display adapter: RGB pixels and what of them has changed.

`pixels` is a numpy array of bytes, height x width x 3. Whoever shows the picture asks the adapter for an
update and takes `dirty`, rectangles (x, y, width, height) in pixels; a new size makes a new array.
"""
import numpy as np


class Surface:
    def __init__(self, width=640, height=480):
        self.pixels = np.zeros((height, width, 3), np.uint8)
        self.generation = 0             # rises with every change of size
        self.dirty = [(0, 0, width, height)]

    @property
    def width(self):
        return self.pixels.shape[1]

    @property
    def height(self):
        return self.pixels.shape[0]

    def show(self, pixels):
        """Replace the picture; notes the bands of lines that differ."""
        if pixels.shape != self.pixels.shape:
            self.pixels = pixels
            self.generation += 1
            self.dirty = [(0, 0, self.width, self.height)]
            return
        differ = (pixels != self.pixels).any(axis=(1, 2))
        if differ.any():
            self.pixels = pixels
            edges = np.flatnonzero(np.diff(np.concatenate(([0], differ.view(np.int8), [0]))))
            self.dirty += [(0, int(top), self.width, int(bottom - top)) for top, bottom in edges.reshape(-1, 2)]

    def take_dirty(self):
        """The rectangles that changed since the last call."""
        dirty, self.dirty = self.dirty, []
        return dirty
