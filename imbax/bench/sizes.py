"""How much a kernel is given."""

from typing import NamedTuple

__all__ = ["Size"]


class Size(NamedTuple):
    """Shapes of what is timed."""

    runs: int
    batch: int
    """Rows of each batch: training, synthetic and outer; 0 where there are no batches."""
    rows: int
    """Training rows of a run; with `batch` they set the steps of an epoch."""
    features: int
    """Columns, or pixels of a square image in grey."""
    points: int = 0
    """Synthetic rows of a run."""
    width: int = 0
    """Channels of an image classifier's first block, or length of an autoencoder's code."""
    epochs: int = 1
    """In one call."""

    @property
    def steps(self) -> int:
        """Of one run in one call."""
        return self.epochs * -(-self.rows // self.batch) if self.batch else 1

    def resized(self, runs: int, batch: int | None = None) -> "Size":
        """With other runs and, where there are batches, as many batches of another size."""
        if not (batch and self.batch):
            return self._replace(runs=runs)
        rows, points = (n * batch // self.batch for n in (self.rows, self.points))
        return self._replace(runs=runs, batch=batch, rows=rows, points=points)
