NAME = 'disk'
