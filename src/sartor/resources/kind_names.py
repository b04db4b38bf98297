"""The kinds of resources, as their ARNs name them."""

from typing import Final

DATASET_GROUP: Final = "dataset-group"
SCHEMA: Final = "schema"
DATASET: Final = "dataset"
DATASET_IMPORT_JOB: Final = "dataset-import-job"
DATASET_EXPORT_JOB: Final = "dataset-export-job"
DATA_DELETION_JOB: Final = "data-deletion-job"
EVENT_TRACKER: Final = "event-tracker"
METRIC_ATTRIBUTION: Final = "metric-attribution"
FILTER: Final = "filter"
SOLUTION: Final = "solution"
SOLUTION_VERSION: Final = "solution-version"
CAMPAIGN: Final = "campaign"
RECOMMENDER: Final = "recommender"
BATCH_INFERENCE_JOB: Final = "batch-inference-job"
BATCH_SEGMENT_JOB: Final = "batch-segment-job"
