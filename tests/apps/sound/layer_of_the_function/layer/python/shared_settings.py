NAME = 'from the layer'
