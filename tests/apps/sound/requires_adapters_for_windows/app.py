import docker


def handler(event, context):
    return docker.DockerClient.__name__
