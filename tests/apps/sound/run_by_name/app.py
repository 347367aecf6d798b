import pkgutil
import runpy

dumps = pkgutil.resolve_name("json:dumps")
settings = runpy.run_module("chalicelib.settings")


def handler(event, context):
    return dumps(settings["STAGES"])
