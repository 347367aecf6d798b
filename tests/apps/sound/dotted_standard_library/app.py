import collections.abc
import concurrent.futures.thread
import os.path
import unittest.mock
import xml.etree.ElementTree as ET
from email.mime import text
from os import path as path_


def handler(event, context):
    return [ET.fromstring('<a/>').tag, os.path is path_, text.__name__, unittest.mock.Mock.__name__, collections.abc.Mapping.__name__, concurrent.futures.thread.__name__]
