import razorpay


def handler(event, context):
    return str(razorpay.Client)
