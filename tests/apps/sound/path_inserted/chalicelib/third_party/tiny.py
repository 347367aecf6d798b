NAME = 'tiny'
