import redis

CLIENT = redis.Redis
