"""What histograms of several roles share."""

import numpy as np
import numpy.typing as npt
from prometheus_client import Histogram

DURATION_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)


class BatchHistogram(Histogram):
    """A histogram to which many values can be added at once."""

    def observe_all(self, values: npt.NDArray[np.float64]) -> None:
        """Add all of these, as `observe` would one by one. (It has no labels.)"""
        places = np.searchsorted(self._upper_bounds, values)
        for place, count in enumerate(np.bincount(places, minlength=len(self._buckets)).tolist()):
            self._buckets[place].inc(count)
        self._sum.inc(float(values.sum()))
