"""Open a data set by its name: `digits`, or a folder."""

from mobiledeploy.base.files import user_path
from mobiledeploy.base.progress import Progress, silent
from mobiledeploy.data import digits, folder
from mobiledeploy.data.dataset import Dataset
from mobiledeploy.spec.config import DIGITS


def open_dataset(source: str, *, divide: bool = True, progress: Progress = silent) -> Dataset:
    """Return the built-in digits for `digits`, otherwise the photos in the folder of that name.

    Args:
        source: `digits` or a path.
        divide: False puts all images of a folder into the test split; see `folder.load`.
        progress: Called while files are hashed.

    Raises:
        RequestError: There is no such folder, or it holds no usable data set.
        MissingDependencyError: The digits need scikit-learn, which is not installed.
    """
    if source == DIGITS:
        return digits.load()
    return folder.load(user_path(source), divide=divide, progress=progress)
