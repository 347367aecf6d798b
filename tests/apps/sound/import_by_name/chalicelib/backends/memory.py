NAME = 'memory'
