print 'two'
NAME = u'two'
