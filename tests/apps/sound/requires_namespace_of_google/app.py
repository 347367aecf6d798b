from google.api import annotations_pb2
from google.protobuf import message


def handler(event, context):
    return [annotations_pb2.DESCRIPTOR.package, message.Message.__name__]
