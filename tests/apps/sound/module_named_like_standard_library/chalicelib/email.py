NAME = 'email'
