handler = 'chalicelib.api.handler'
