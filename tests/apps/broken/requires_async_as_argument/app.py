from kafka import KafkaProducer


def handler(event, context):
    return str(KafkaProducer)
