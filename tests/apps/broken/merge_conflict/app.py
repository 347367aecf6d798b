def handler(event, context):
<<<<<<< ours
    return 1
=======
    return 2
>>>>>>> theirs
