DEBUG = False

if False:
    import missing_one
if 0:
    import missing_two
while False:
    import missing_three


def handler(event, context):
    return DEBUG
