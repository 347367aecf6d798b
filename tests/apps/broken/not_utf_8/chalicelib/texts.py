GREETING = 'Grьяe'
