NAME = 'nightly'
