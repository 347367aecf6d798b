NAME = 'internal'
