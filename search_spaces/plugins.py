"""The registries that plugins may add to: search spaces, and those of `cops_core`."""

from collections.abc import Iterable, Mapping

from cops_core.plugins import CORE_REGISTRIES, Plugin, Registry, load_plugin
from search_spaces import SEARCH_SPACES, SearchSpace


def load_plugins(plugins: Iterable[Plugin]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Load each plugin.

    Args:
        plugins: What `cops_core.plugins.find_plugins` found.

    Returns:
        {plugin's name: {name of its dict: names of its components}}.

    Raises:
        InputError: See `cops_core.plugins.load_plugin`.
    """
    return {plugin.name: load_plugin(plugin, REGISTRIES) for plugin in plugins}


def _space_complaint(name: str, space: object) -> str:
    if not isinstance(space, SearchSpace):
        kind = type(space).__name__
        return f"is of type {kind}: write SearchSpace({name!r}, function, Rates(), trials=60)"
    return "" if space.name == name else f"has the name {space.name!r}: give it the name of its key"


REGISTRIES: Mapping[str, Registry] = {
    **CORE_REGISTRIES,
    "SEARCH_SPACES": Registry("space", SEARCH_SPACES, _space_complaint),
}
