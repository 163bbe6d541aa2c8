"""Sizes of kernels."""

from typing import NamedTuple

__all__ = ["Size"]


class Size(NamedTuple):
    """Shapes of a kernel's inputs."""

    runs: int
    batch: int
    """Rows of each training, synthetic and outer batch; 0 for kernels without batches."""
    rows: int
    """Training rows of a run; together with `batch` they determine the steps of an epoch."""
    features: int
    """Number of columns, or of pixels of a square greyscale image."""
    points: int = 0
    """Synthetic rows of a run."""
    width: int = 0
    """Channels of an image classifier's first block, or length of an autoencoder's code."""
    epochs: int = 1
    """Number of epochs per call."""

    @property
    def steps(self) -> int:
        """Number of steps of one run per call."""
        return self.epochs * -(-self.rows // self.batch) if self.batch else 1

    def resized(self, runs: int, batch: int | None = None) -> "Size":
        """Size with `runs` runs and, for kernels with batches, as many batches of `batch` rows."""
        if not (batch and self.batch):
            return self._replace(runs=runs)
        rows, points = (n * batch // self.batch for n in (self.rows, self.points))
        return self._replace(runs=runs, batch=batch, rows=rows, points=points)
