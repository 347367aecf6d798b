def report():
    print 'done'
