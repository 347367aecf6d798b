from internalpackage.client import fetch
