from asyncio import coroutine, sleep


@coroutine
def wait():
    yield from sleep(1)
