"""The model for user personalization that needs numpy alone: a blend of cheap linear models."""

from sartor.models import blend
from sartor.models.base import Run, TrainingData
from sartor.models.blend import BlendModel, Config


def fit(data: TrainingData, config: Config | None = None, run: Run | None = None) -> BlendModel:
    """Return a fitted model.

    Args:
        data: what it is fitted on.
        config: ``None`` takes the defaults.
        run: how it runs.

    Raises:
        Stopped: the run says so.
    """
    return blend.fit(data, config or Config(sequence=None), run)
