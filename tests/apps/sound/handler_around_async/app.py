import asyncio


async def work(event):
    await asyncio.sleep(0)
    return event


def handler(event, context):
    return asyncio.run(work(event))
