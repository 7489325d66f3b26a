"""Every metric of Lapse, and what it means. Labels are names from the configuration or closed sets, never user data.

One module and one class for each role: `detect`, `deliver`, and `service` for what every process has; `histograms` is
shared. The second argument of each metric is its help text at /metrics, from which docs/metrics.md is generated.
"""

from consumer.metrics.deliver import BREAKER_STATES as BREAKER_STATES
from consumer.metrics.deliver import DeliverMetrics as DeliverMetrics
from consumer.metrics.detect import DetectMetrics as DetectMetrics
from consumer.metrics.histograms import BatchHistogram as BatchHistogram
from consumer.metrics.service import ServiceMetrics as ServiceMetrics
