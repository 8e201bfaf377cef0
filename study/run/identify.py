"""Which trial a configuration is: its identity needs the data's hash, which is computed once."""

from cops_core.config import TrialConfig
from cops_core.data import ImageData, load_data
from cops_core.identity import trial_identity
from study.settings import Settings


class Identifier:
    """Knows the identity of every configuration of a study."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.data_root.expanduser()
        self._extensions = {plugin.name: plugin.sha256 for plugin in settings.plugins}
        self._data: dict[str, str] = {}

    def data(self, name: str) -> ImageData:
        """A data set of this machine. InputError if there is none of that name."""
        return load_data(name, self._root)

    def data_sha256(self, name: str) -> str:
        """The hash of a data set, which is loaded for it the first time. InputError if there is none."""
        if name not in self._data:
            self._data[name] = self.data(name).sha256
        return self._data[name]

    def __call__(self, config: TrialConfig) -> str:
        """The configuration's identity as a trial."""
        return trial_identity(config, self.data_sha256(config.dataset), self._extensions)
