import redis


def handler(event, context):
    return redis.Redis().connection_pool.connection_class.__name__
