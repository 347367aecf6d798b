from chalicelib import registry

registry.table = "orders"
for name in ("debug", "trace"):
    setattr(registry, name, False)


def choose_codec():
    registry.codec = "json"


choose_codec()
