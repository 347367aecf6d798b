NAME = 'three'
