source = 'def handler(event, context):\n    return 1\n'
exec(source)
