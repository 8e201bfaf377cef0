"""The identity of a configuration, which contains the hash of its data."""

from cops_core.config import TrialConfig
from cops_core.data import ImageData, load_data
from cops_core.identity import trial_identity
from cops_core.trainers import IMAGES, trainer_of
from study.settings import Settings


class Identifier:
    """Computes the identities of a study's configurations; each data set is hashed once."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.data_root.expanduser()
        self._extensions = {plugin.name: plugin.sha256 for plugin in settings.plugins}
        self._data: dict[str, str] = {}

    def data(self, name: str) -> ImageData:
        """A data set of this machine.

        Raises:
            InputError: There is no such data set, or its files are missing.
        """
        return load_data(name, self._root)

    def data_sha256(self, name: str) -> str:
        """The hash of a data set, which is loaded at the first call.

        Raises:
            InputError: There is no such data set, or its files are missing.
        """
        if name not in self._data:
            self._data[name] = self.data(name).sha256
        return self._data[name]

    def __call__(self, config: TrialConfig) -> str:
        """The identity of a trial with this configuration."""
        if config.trainer == IMAGES:
            sha256 = self.data_sha256(config.dataset)
        else:
            sha256 = trainer_of(config.trainer, config.settings).data_sha256()
        return trial_identity(config, sha256, self._extensions)
