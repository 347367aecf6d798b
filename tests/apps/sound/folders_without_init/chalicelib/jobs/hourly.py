NAME = 'hourly'
