import importlib
import pkgutil

from chalicelib import plugins

LOADED = [importlib.import_module(f'{plugins.__name__}.{found.name}') for found in pkgutil.iter_modules(plugins.__path__)]


def handler(event, context):
    return sorted(plugin.NAME for plugin in LOADED)
